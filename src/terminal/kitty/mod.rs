//! kitty's graphics protocol: pictures are uploaded once under an id, and placeholder characters show them.
//!
//! <https://sw.kovidgoyal.net/kitty/graphics-protocol/>

mod ids;
mod placeholders;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ratatui::layout::Size;

use super::tmux;

pub use ids::Ids;
pub use placeholders::{MAX_CELLS, compress_placeholders, place};

/// The protocol's limit for the base64 text of one escape sequence.
const CHUNK: usize = 4096;

/// The ids of the pictures that the terminal keeps for this process, and whether they went through tmux. This is global,
/// so that the pictures are deleted however the screen is left.
static UPLOADED: Mutex<BTreeMap<u32, bool>> = Mutex::new(BTreeMap::new());

/// The escape sequences that upload a PNG and create a placement of so many cells for it, to be sent in order. Text may
/// be written between them, but no other graphics.
///
/// The terminal replies to failures only. Through tmux it replies to nothing, because tmux would send the reply to the
/// active pane.
pub fn upload(id: u32, cells: Size, png: &[u8], through_tmux: bool) -> Vec<Vec<u8>> {
    uploaded().insert(id, through_tmux);
    let text = STANDARD.encode(png);
    let count = text.len().div_ceil(CHUNK);
    let chunks = text.as_bytes().chunks(CHUNK).enumerate();
    chunks
        .map(|(number, chunk)| {
            let (more, quiet) = (u8::from(number + 1 < count), 1 + u8::from(through_tmux));
            let keys = match number {
                0 => format!("a=T,U=1,f=100,t=d,i={id},c={},r={},q={quiet},m={more}", cells.width, cells.height),
                _ => format!("q={quiet},m={more}"),
            };
            sequence(&[keys.as_bytes(), b";", chunk].concat(), through_tmux)
        })
        .collect()
}

/// The escape sequence that deletes a picture, its data and all its placements.
pub fn delete(id: u32, through_tmux: bool) -> Vec<u8> {
    uploaded().remove(&id);
    delete_sequence(id, through_tmux)
}

/// The escape sequences that delete all pictures of this process.
pub fn delete_all() -> Vec<u8> {
    // This runs in the panic hook: the panicking thread may hold the lock.
    let uploaded = UPLOADED.try_lock().map(|mut uploaded| std::mem::take(&mut *uploaded)).unwrap_or_default();
    uploaded.into_iter().flat_map(|(id, through_tmux)| delete_sequence(id, through_tmux)).collect()
}

fn delete_sequence(id: u32, through_tmux: bool) -> Vec<u8> {
    sequence(format!("a=d,d=I,i={id},q=2").as_bytes(), through_tmux)
}

fn sequence(body: &[u8], through_tmux: bool) -> Vec<u8> {
    let sequence = [b"\x1b_G", body, b"\x1b\\"].concat();
    if through_tmux { tmux::wrap(&sequence) } else { sequence }
}

/// The map is consistent even if a thread panicked while it held the lock.
fn uploaded() -> MutexGuard<'static, BTreeMap<u32, bool>> {
    UPLOADED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_split_into_chunks() {
        let png: Vec<u8> = (0..7000u32).map(|n| (n * 7 % 251) as u8).collect();
        let parts = upload(0x7fff_0001, Size::new(24, 11), &png, false);
        let texts: Vec<String> = parts.iter().map(|part| String::from_utf8(part.clone()).unwrap()).collect();
        assert_eq!(texts.len(), 3);
        assert!(texts[0].starts_with("\x1b_Ga=T,U=1,f=100,t=d,i=2147418113,c=24,r=11,q=1,m=1;"), "{}", &texts[0][..60]);
        assert!(texts[1].starts_with("\x1b_Gq=1,m=1;") && texts[2].starts_with("\x1b_Gq=1,m=0;"));
        let payload: String = texts
            .iter()
            .map(|text| text.strip_suffix("\x1b\\").unwrap().split_once(';').unwrap().1)
            .inspect(|payload| assert!(payload.len() <= CHUNK && payload.len() % 4 == 0))
            .collect();
        assert_eq!(STANDARD.decode(payload).unwrap(), png);
        let wrapped = upload(0x7fff_0001, Size::new(24, 11), &png, true);
        assert!(
            wrapped.iter().all(|part| part.starts_with(b"\x1bPtmux;\x1b\x1b_G") && part.ends_with(b"\x1b\x1b\\\x1b\\"))
        );
        assert!(uploaded().contains_key(&0x7fff_0001));
    }

    #[test]
    fn a_small_picture_is_one_chunk() {
        let parts = upload(0x7fff_0002, Size::new(2, 1), b"tiny", false);
        assert_eq!(parts, [b"\x1b_Ga=T,U=1,f=100,t=d,i=2147418114,c=2,r=1,q=1,m=0;dGlueQ==\x1b\\".to_vec()]);
        assert_eq!(delete(0x7fff_0002, false), b"\x1b_Ga=d,d=I,i=2147418114,q=2\x1b\\");
        assert!(!uploaded().contains_key(&0x7fff_0002));
    }
}
