//! The user comment in an XMP packet (ISO 16684-1). Draw Things writes its settings there.

/// The length of `#x10ffff;`, in characters.
const LONGEST_ENTITY: usize = 9;

/// The text of the first `exif:UserComment`.
pub(super) fn user_comment(packet: &str) -> Option<String> {
    let (_, rest) = packet.split_once("<exif:UserComment")?;
    let (content, _) = rest.split_once("</exif:UserComment>")?;
    let (_, content) = content.split_once('>')?;
    // A text in several languages has a list of one item here.
    let text = match content.split_once("<rdf:li") {
        Some((_, item)) => item.split_once('>')?.1.split_once("</rdf:li>")?.0,
        None => content,
    };
    Some(unescape(text.trim()))
}

/// Replaces the entities of XML. Unknown ones stay as they are.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let end = after.char_indices().take(LONGEST_ENTITY).find(|(_, c)| *c == ';');
        let known = end.and_then(|(end, _)| Some((entity(&after[..end])?, &after[end + 1..])));
        match known {
            Some((c, after)) => {
                plain.push(c);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(number) => u32::from_str_radix(number, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}
