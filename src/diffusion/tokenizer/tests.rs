use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;

/// Letters, the same at the end of a word, one merge, and CLIP's two special tokens. An id is an index.
const VOCABULARY: [&str; 12] =
    ["!", "a", "b", "!</w>", "a</w>", "b</w>", "ab</w>", "ã</w>", "Ĥ", "©</w>", "<|startoftext|>", "<|endoftext|>"];
const START: u32 = 10;
const END: u32 = 11;

fn vocabulary() -> serde_json::Value {
    VOCABULARY.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect()
}

fn folder(files: &[(&str, serde_json::Value)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("vocab.json"), vocabulary().to_string()).unwrap();
    fs::write(folder.path().join("merges.txt"), "#version: 0.2\na b</w>\n").unwrap();
    for (name, content) in files {
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn load(folder: &TempDir) -> Result<Tokenizer> {
    Tokenizer::load(&Files::on_disk(folder.path()))
}

fn short(length: usize) -> (&'static str, serde_json::Value) {
    ("tokenizer_config.json", json!({"model_max_length": length}))
}

fn refusal(files: &[(&str, serde_json::Value)]) -> String {
    load(&folder(files)).err().expect("a refusal").to_string()
}

#[test]
fn a_prompt_is_framed_and_padded() {
    let tokenizer = load(&folder(&[])).unwrap();
    let tokens = tokenizer.encode("AB  a\n!").unwrap();
    assert_eq!(tokens.ids[..6], [START, 6, 4, 3, END, END]);
    assert_eq!((tokens.ids.len(), tokenizer.length(), tokenizer.vocab_size()), (77, 77, 12));
    assert_eq!((tokens.count, tokens.dropped), (3, None));
    assert_eq!(tokenizer.encode("").unwrap().ids, [vec![START], vec![END; 76]].concat());
}

#[test]
fn pieces_outside_the_vocabulary_become_the_unknown_token() {
    let tokenizer = load(&folder(&[short(7)])).unwrap();
    assert_eq!(tokenizer.encode("a z").unwrap().ids, [START, 4, END, END, END, END, END]);
    // "é" is the bytes C3 A9; the first is "Ã", which the vocabulary lacks.
    assert_eq!(tokenizer.encode("é").unwrap().ids, [START, END, 9, END, END, END, END]);
}

#[test]
fn the_end_of_a_long_prompt_is_dropped_and_reported() {
    let tokenizer = load(&folder(&[short(5)])).unwrap();
    let tokens = tokenizer.encode("a b A, AB B!").unwrap();
    assert_eq!(tokens.ids, [START, 4, 5, 4, END]);
    assert_eq!((tokens.dropped.as_deref(), tokens.count), (Some(", AB B!"), 7));
    assert_eq!(tokenizer.encode("a b a").unwrap().dropped, None);
}

#[test]
fn a_long_prompt_can_be_encoded_in_chunks() {
    let tokenizer = load(&folder(&[short(5)])).unwrap();
    let expected = vec![vec![START, 4, 5, 4, END], vec![START, 5, END, END, END]];
    assert_eq!(tokenizer.encode_chunks("a b a b").unwrap(), expected);
    assert_eq!(tokenizer.encode_chunks("").unwrap(), [[START, END, END, END, END]]);
}

#[test]
fn special_tokens_are_recognised_in_a_prompt() {
    let tokenizer = load(&folder(&[short(6)])).unwrap();
    assert_eq!(tokenizer.encode("a<|endoftext|>b").unwrap().ids, [START, 4, END, 5, END, END]);
}

/// SD 2.x pads with "!", which is then the padding token wherever a prompt contains it.
#[test]
fn the_padding_can_be_another_token() {
    let config = ("tokenizer_config.json", json!({"model_max_length": 6, "pad_token": "<|endoftext|>"}));
    let tokenizer = load(&folder(&[config, ("special_tokens_map.json", json!({"pad_token": "!"}))])).unwrap();
    assert_eq!(tokenizer.encode("a!").unwrap().ids, [START, 4, 0, END, 0, 0]);
}

#[test]
fn end_of_text_pads_where_no_file_names_a_padding_token() {
    assert_eq!(load(&folder(&[short(5)])).unwrap().encode("a").unwrap().ids, [START, 4, END, END, END]);
}

#[test]
fn added_tokens_count_in_the_vocabulary() {
    let config = ("tokenizer_config.json", json!({"pad_token": "<pad>"}));
    let tokenizer = load(&folder(&[config])).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.encode("").unwrap().ids[76]), (13, 12));
}

#[test]
fn tokenizer_json_replaces_vocabulary_and_merges() {
    for merges in [json!([["a", "b</w>"]]), json!(["a b</w>"])] {
        let whole = json!({"model": {"type": "BPE", "vocab": vocabulary(), "merges": merges}});
        let folder = folder(&[("tokenizer.json", whole)]);
        fs::remove_file(folder.path().join("vocab.json")).unwrap();
        fs::remove_file(folder.path().join("merges.txt")).unwrap();
        assert_eq!(load(&folder).unwrap().encode("ab a").unwrap().ids[..4], [START, 6, 4, END]);
    }
}

#[test]
fn no_length_limit_means_77() {
    let config = ("tokenizer_config.json", json!({"model_max_length": 1e30}));
    assert_eq!(load(&folder(&[config])).unwrap().length(), 77);
}

#[test]
fn damaged_folders_are_refused_with_the_reason() {
    assert!(refusal(&[("merges.txt", json!("a b</w> c\n"))]).contains("line 1 is not a pair"));
    // The tokenizers crate would panic here: both halves of the merge exist, but its result does not.
    assert!(refusal(&[("merges.txt", json!("<|startoftext|> <|endoftext|>\n"))]).contains("has no token"));
    assert!(refusal(&[("vocab.json", json!({"a": -1}))]).contains("vocab.json"));
    assert!(refusal(&[("vocab.json", json!({})), ("merges.txt", json!(""))]).contains("empty"));
    assert!(refusal(&[short(2)]).contains("less than 3"));
    assert!(refusal(&[("tokenizer_config.json", json!({"added_tokens_decoder": {"x": "a"}}))]).contains("not an id"));
    let missing = TempDir::new().unwrap();
    assert!(load(&missing).err().unwrap().to_string().contains("vocab.json is missing"));
}
