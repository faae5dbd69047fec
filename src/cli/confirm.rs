//! Asks for confirmation before a permanent deletion.

use std::io::{BufRead, IsTerminal, Write};

use crate::studio::text::clean;

/// Asks the user to type yes. Without a terminal, or with `--yes`, it does not ask.
///
/// # Errors
/// If the answer is not yes.
pub fn confirm(yes: bool, consequence: &str) -> anyhow::Result<()> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if yes || !stdin.is_terminal() || !stderr.is_terminal() {
        return Ok(());
    }
    write!(stderr, "{} This cannot be undone. Type yes to continue: ", clean(consequence))?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    anyhow::ensure!(answer.trim() == "yes", "nothing was changed: the answer was not yes");
    Ok(())
}
