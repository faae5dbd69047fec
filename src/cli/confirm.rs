//! Asks for confirmation before a permanent deletion.

use std::io::{BufRead, IsTerminal, Write};

use super::failure::UsageError;
use crate::studio::text::clean;

/// What a deletion does not reach.
pub const OLDER_COPIES: &str = "Backups and bundles that you made before still contain them: delete them yourself.";

/// Asks the user to type yes, unless `--yes` was given.
///
/// # Errors
/// If the answer is not yes, or if there is no terminal to ask on.
pub fn confirm(yes: bool, consequence: &str) -> anyhow::Result<()> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if yes {
        return Ok(());
    }
    if !stdin.is_terminal() || !stderr.is_terminal() {
        let consequence = clean(consequence);
        let text =
            format!("{consequence} This cannot be undone, and there is no terminal to ask on: repeat with --yes");
        return Err(UsageError(text).into());
    }
    write!(stderr, "{} This cannot be undone. Type yes to continue: ", clean(consequence))?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    anyhow::ensure!(answer.trim() == "yes", "nothing was changed: the answer was not yes");
    Ok(())
}
