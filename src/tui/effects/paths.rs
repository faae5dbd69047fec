//! Completion of picture paths.

use crate::studio::text::clean;

/// The file name extensions that are offered. The content is checked when the file is opened.
const EXTENSIONS: [&str; 4] = [".png", ".jpg", ".jpeg", ".webp"];
/// Larger folders are not listed whole.
const MAX_ENTRIES: usize = 1000;

/// The folders (ending in `/`) and pictures that an unfinished path can become, sorted. `~/` is the home folder; hidden
/// files are listed once their dot is typed.
pub fn complete(typed: &str) -> Vec<String> {
    let real = expand_home(typed);
    let (folder, begun) = real.split_at(real.rfind('/').map_or(0, |at| at + 1));
    let inside = std::fs::read_dir(if folder.is_empty() { "." } else { folder });
    let mut found: Vec<String> = inside
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_folder = entry.path().is_dir();
            // A name with control characters cannot be shown or typed.
            let fits =
                clean(&name) == name && name.starts_with(begun) && (!name.starts_with('.') || begun.starts_with('.'));
            let lower = name.to_lowercase();
            let usable = is_folder || EXTENSIONS.iter().any(|extension| lower.ends_with(extension));
            (fits && usable).then(|| format!("{folder}{name}{}", if is_folder { "/" } else { "" }))
        })
        .take(MAX_ENTRIES)
        .collect();
    found.sort();
    found
}

/// Replaces a leading `~/` by the home folder.
pub fn expand_home(typed: &str) -> String {
    let home = || std::env::var("HOME").ok().filter(|home| !home.is_empty());
    match typed.strip_prefix("~/").and_then(|rest| Some((rest, home()?))) {
        Some((rest, home)) => format!("{home}/{rest}"),
        None => typed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_pictures_are_found_by_their_first_letters() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["ada.png", "ada-side.JPG", "adam.txt", "ad\u{7}.png", ".hidden.png", "Zoë.webp"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("adas")).unwrap();
        assert_eq!(complete(&at("ad")), [at("ada-side.JPG"), at("ada.png"), at("adas/")]);
        assert_eq!(complete(&at(".")), [at(".hidden.png")]);
        assert_eq!(complete(&at("Z")), [at("Zoë.webp")]);
        assert!(!complete(&at("")).contains(&at(".hidden.png")));
        assert!(complete(&at("nobody/")).is_empty());
    }
}
