//! Paths of pictures while they are being typed.

/// Endings of files that may be pictures; what they are is seen when they are opened.
const ENDINGS: [&str; 4] = [".png", ".jpg", ".jpeg", ".webp"];
/// Folders with more than this are not shown whole.
const MOST: usize = 1000;

/// What a path could become: folders, which end in `/`, and pictures, in order. `~/` is the home folder; hidden files
/// are found by their dot.
pub fn paths(typed: &str) -> Vec<String> {
    let real = whole(typed);
    let (folder, begun) = real.split_at(real.rfind('/').map_or(0, |at| at + 1));
    let inside = std::fs::read_dir(if folder.is_empty() { "." } else { folder });
    let mut found: Vec<String> = inside
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_folder = entry.path().is_dir();
            let fits = name.starts_with(begun) && (!name.starts_with('.') || begun.starts_with('.'));
            let lower = name.to_lowercase();
            let usable = is_folder || ENDINGS.iter().any(|ending| lower.ends_with(ending));
            (fits && usable).then(|| format!("{folder}{name}{}", if is_folder { "/" } else { "" }))
        })
        .take(MOST)
        .collect();
    found.sort();
    found
}

/// The path with the home folder in the place of `~`.
pub fn whole(typed: &str) -> String {
    let home = || std::env::var("HOME").ok().filter(|home| !home.is_empty());
    match typed.strip_prefix("~/").and_then(|rest| Some((rest, home()?))) {
        Some((rest, home)) => format!("{home}/{rest}"),
        None => typed.to_owned(),
    }
}

/// What all of these begin with.
pub fn common(found: &[String]) -> &str {
    let Some(first) = found.first() else { return "" };
    let alike =
        |other: &String| first.char_indices().zip(other.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    let until = found[1..].iter().map(|other| alike(other).unwrap_or(first.len().min(other.len()))).min();
    &first[..until.unwrap_or(first.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_pictures_are_found_by_how_they_begin() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["ada.png", "ada-side.JPG", "adam.txt", ".hidden.png", "Zoë.webp"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("adas")).unwrap();
        assert_eq!(paths(&at("ad")), [at("ada-side.JPG"), at("ada.png"), at("adas/")]);
        assert_eq!(paths(&at(".")), [at(".hidden.png")]);
        assert_eq!(paths(&at("Z")), [at("Zoë.webp")]);
        assert!(paths(&at("nobody/")).is_empty());
    }

    #[test]
    fn the_common_beginning_ends_between_characters() {
        let common =
            |names: &[&str]| common(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).to_owned();
        assert_eq!(common(&["adé", "adè", "ad"]), "ad");
        assert_eq!(common(&["ada", "ada/"]), "ada");
        assert_eq!(common(&["ada"]), "ada");
        assert_eq!(common(&[]), "");
    }
}
