//! `doctor`: its checks and its JSON.

use crate::support::{pentimento, run};

#[test]
fn every_check_is_printed() {
    let ran = run(pentimento().arg("doctor"));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for name in ["terminal", "pictures", "processor", "gpu", "memory", "model", "log", "workers"] {
        assert!(ran.stdout.lines().any(|line| line.split_whitespace().nth(1) == Some(name)), "{name}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'));
}

#[test]
fn its_json_is_one_document() {
    let document = run(pentimento().args(["doctor", "--json"])).json();
    for name in ["terminal", "pictures", "processor", "gpu", "memory", "model", "log", "workers"] {
        let finding = &document[name];
        assert!(finding["ok"].is_boolean() && finding["found"].is_string() && finding["advice"].is_string(), "{name}");
    }
    assert_eq!(document["pictures"]["facts"]["protocol"], "off");
    assert_eq!(document["model"]["facts"]["loads"], true);
    assert!(document["processor"]["facts"]["cores"].as_u64().unwrap() >= 1);
}
