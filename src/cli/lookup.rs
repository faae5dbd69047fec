//! Who reviews.

use crate::config::Config;

/// Who signs a review: the named person, or the reviewer of the settings.
pub fn reviewer(named: Option<&str>) -> String {
    let named = named.filter(|name| !name.trim().is_empty());
    named.unwrap_or(&Config::current().reviewer.value).to_owned()
}
