//! Who reviews, and what time it is.

use jiff::Timestamp;

use super::config::Config;

/// Who reviews, where nobody is named: as `config` says, or the one who is logged in.
pub fn reviewer(named: Option<&str>) -> String {
    let logged_in = || ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let chosen = || Config::load().ok()?.reviewer;
    let named = named.map(str::to_owned).or_else(chosen).or_else(logged_in);
    named.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

pub fn now() -> Timestamp {
    Timestamp::now()
}
