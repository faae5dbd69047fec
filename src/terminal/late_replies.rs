//! Separates replies of the terminal from keys.
//!
//! crossterm does not parse the strings that terminals send (`ESC P … ESC \` and `ESC _ … ESC \`): it turns the beginning
//! into Alt-P and the rest into letters. [`ReplyFilter`] reassembles them, so that a reply never acts as typed keys.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::reply::{Parser, Reply};

/// A reply to a query that was sent while the screen was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LateReply {
    /// The terminal's name: it has read everything that was written before the query.
    Name,
    /// The state of an uploaded picture.
    Graphics { id: u32, error: Option<String> },
}

/// What a key event turns out to be.
#[derive(Debug)]
pub(super) enum KeyOrReply {
    Key(KeyEvent),
    Reply(LateReply),
}

/// Holds keys back while they may be the beginning of a reply.
#[derive(Default)]
pub(super) struct ReplyFilter {
    held: Vec<KeyEvent>,
    /// The bytes of the held keys.
    text: String,
    last_key: Option<Instant>,
}

/// Keys are released after a pause of this length. A terminal sends a reply without pauses, and nobody types that fast.
const PAUSE: Duration = Duration::from_millis(15);
/// The pause after the start of a certain reply is longer, because the link may stall in the middle of it.
const REPLY_PAUSE: Duration = Duration::from_millis(500);
/// No reply is longer than this, in bytes.
const MAX_LENGTH: usize = 512;

impl ReplyFilter {
    pub(super) fn key(&mut self, key: KeyEvent, now: Instant) -> Vec<KeyOrReply> {
        let text = bytes_of(&key).map(|bytes| self.text.clone() + &bytes);
        if let Some(text) = text.filter(|text| may_begin_reply(text)) {
            self.held.push(key);
            self.text = text;
            self.last_key = Some(now);
            return self.completed().into_iter().map(KeyOrReply::Reply).collect();
        }
        if self.held.is_empty() {
            return vec![KeyOrReply::Key(key)];
        }
        // The held keys were typed. This key may begin a reply of its own.
        let mut events: Vec<KeyOrReply> = self.release().collect();
        events.extend(self.key(key, now));
        events
    }

    /// Releases the held keys after the pause. The fragment of a certain reply is dropped instead.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<KeyOrReply> {
        if self.time_until_expiry(now) != Some(Duration::ZERO) {
            return Vec::new();
        }
        if is_certain_reply(&self.text) {
            self.clear();
            return Vec::new();
        }
        self.release().collect()
    }

    /// How long until [`Self::expire`] does something; `None` if no key is held.
    pub(super) fn time_until_expiry(&self, now: Instant) -> Option<Duration> {
        let pause = if is_certain_reply(&self.text) { REPLY_PAUSE } else { PAUSE };
        self.last_key.map(|last| (last + pause).saturating_duration_since(now))
    }

    /// Gives back the held keys as typed.
    pub(super) fn release(&mut self) -> impl Iterator<Item = KeyOrReply> + use<> {
        let held = std::mem::take(&mut self.held);
        self.clear();
        held.into_iter().map(KeyOrReply::Key)
    }

    /// The reply, once its terminator has arrived. Replies of other kinds are dropped.
    fn completed(&mut self) -> Option<LateReply> {
        if !self.text.ends_with("\x1b\\") {
            return None;
        }
        let mut parser = Parser::default();
        let reply = self.text.bytes().find_map(|byte| parser.feed(byte));
        self.clear();
        match reply? {
            Reply::Name(_) => Some(LateReply::Name),
            Reply::Graphics { id, error } => Some(LateReply::Graphics { id, error }),
            _ => None,
        }
    }

    fn clear(&mut self) {
        self.held.clear();
        self.text.clear();
        self.last_key = None;
    }
}

/// The bytes that crossterm made this key of; `None` for keys that no reply contains.
fn bytes_of(key: &KeyEvent) -> Option<String> {
    let is_plain = (key.modifiers - KeyModifiers::ALT - KeyModifiers::SHIFT).is_empty();
    match key.code {
        KeyCode::Esc if key.modifiers.is_empty() => Some("\x1b".to_owned()),
        KeyCode::Char(letter) if is_plain && key.modifiers.contains(KeyModifiers::ALT) => Some(format!("\x1b{letter}")),
        KeyCode::Char(letter) if is_plain => Some(letter.to_string()),
        _ => None,
    }
}

fn may_begin_reply(text: &str) -> bool {
    let openings = ["\x1b_G", "\x1bP"];
    let inside =
        text.strip_suffix("\x1b\\").or(text.strip_suffix('\x1b').filter(|inside| !inside.is_empty())).unwrap_or(text);
    text.len() <= MAX_LENGTH
        && openings.iter().any(|opening| opening.starts_with(text) || text.starts_with(opening))
        && (inside.len() < 2 || !inside[1..].contains('\x1b'))
}

/// Whether a text begins with something that only a reply contains, because nobody types it.
fn is_certain_reply(text: &str) -> bool {
    ["\x1b_Gi", "\x1bP>|", "\x1bP1+r", "\x1bP0+r"].iter().any(|opening| text.starts_with(opening))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key events that crossterm makes of these bytes. `|` marks the end of a packet: an escape right before it is
    /// taken for the Escape key. `¦` stands for the byte `|`.
    fn typed(text: &str) -> Vec<KeyEvent> {
        let mut keys = Vec::new();
        for packet in text.split('|') {
            let packet = packet.replace('¦', "|");
            let mut letters = packet.chars();
            while let Some(letter) = letters.next() {
                let (letter, alt) = match letter {
                    '\x1b' => match letters.next() {
                        Some(next) => (next, KeyModifiers::ALT),
                        None => {
                            keys.push(KeyCode::Esc.into());
                            continue;
                        }
                    },
                    letter => (letter, KeyModifiers::NONE),
                };
                let shift = if letter.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
                keys.push(KeyEvent::new(KeyCode::Char(letter), alt | shift));
            }
        }
        keys
    }

    /// Filters bytes that arrive at once, followed by a long pause. Returns the bytes of the keys, and the replies.
    fn filtered(text: &str) -> (String, Vec<LateReply>) {
        let (mut filter, now) = (ReplyFilter::default(), Instant::now());
        let mut events = Vec::new();
        for key in typed(text) {
            events.extend(filter.key(key, now));
        }
        events.extend(filter.expire(now + REPLY_PAUSE));
        let mut keys = String::new();
        let mut replies = Vec::new();
        for event in events {
            match event {
                KeyOrReply::Key(key) => keys += &bytes_of(&key).unwrap(),
                KeyOrReply::Reply(reply) => replies.push(reply),
            }
        }
        (keys, replies)
    }

    #[test]
    fn replies_are_not_keys() {
        let ok = LateReply::Graphics { id: 77, error: None };
        let failed = LateReply::Graphics { id: 77, error: Some("EINVAL:bad png".to_owned()) };
        let cases = [
            ("\x1bP>¦kitty(0.41.1)\x1b\\", "", vec![LateReply::Name]),
            ("jj\x1b_Gi=77;OK\x1b\\k", "jjk", vec![ok.clone()]),
            ("\x1b_Gi=77;EINVAL:bad png\x1b\\\x1bP>¦foot(1.21.0)\x1b\\", "", vec![failed, LateReply::Name]),
            // Cut after every escape, and elsewhere.
            ("\x1b|_Gi=|77;OK\x1b|\\q", "q", vec![ok]),
            ("\x1b|P>¦Konsole 25.04.2\x1b|\\", "", vec![LateReply::Name]),
            // Replies of other kinds are dropped.
            ("\x1bP1+r544e=666F6F74\x1b\\x", "x", vec![]),
            ("\x1bP>¦cut off in the midd", "", vec![]),
        ];
        for (text, keys, replies) in cases {
            assert_eq!(filtered(text), (keys.to_owned(), replies), "{text:?}");
        }
    }

    #[test]
    fn keys_are_not_replies() {
        for text in [
            "\x1b|",
            "\x1bx",
            "\x1b|\x1b|",
            "\x1bP",
            "\x1b_",
            "\x1b_x\x1b\\",
            "\x1bPq",
            "\\",
            "P>",
            "\x1b|q",
            "a\x1b|_x",
        ] {
            let bytes = text.replace('|', "");
            assert_eq!(filtered(text), (bytes, vec![]), "{text:?}");
        }
    }

    #[test]
    fn the_escape_key_is_held_for_a_short_pause_only() {
        let (mut filter, now) = (ReplyFilter::default(), Instant::now());
        assert!(filter.key(KeyCode::Esc.into(), now).is_empty());
        assert_eq!(filter.time_until_expiry(now), Some(PAUSE));
        assert!(filter.expire(now + PAUSE / 2).is_empty());
        assert!(matches!(filter.expire(now + PAUSE)[..], [KeyOrReply::Key(_)]));
        assert_eq!(filter.time_until_expiry(now), None);
        // Another key releases it at once.
        assert!(filter.key(KeyCode::Esc.into(), now).is_empty());
        assert_eq!(filter.key(KeyCode::Down.into(), now).len(), 2);
    }
}
