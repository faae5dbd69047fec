//! Asking before something is deleted for good.

use std::io::{BufRead, IsTerminal, Write};

use crate::studio::text::clean;

/// Goes on if `--yes` was given, if the person at the terminal says yes, or if nobody sits there to be asked.
pub fn confirm(yes: bool, what_goes: &str) -> anyhow::Result<()> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if yes || !stdin.is_terminal() || !stderr.is_terminal() {
        return Ok(());
    }
    write!(stderr, "{} This cannot be undone. Go on? Type yes (or use --yes): ", clean(what_goes))?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    anyhow::ensure!(answer.trim() == "yes", "nothing was changed, because the answer was not yes");
    Ok(())
}
