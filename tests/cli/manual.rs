//! What a package ships: the manual, a page for every subcommand, and completions.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Ran, pentimento, run};

fn said(words: &[&str]) -> Ran {
    let ran = run(pentimento().args(words));
    assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
    ran
}

/// The subcommands that a help text lists.
fn subcommands(path: &[&str]) -> Vec<String> {
    let help = said(&[path, &["--help"]].concat()).stdout;
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = list.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_manual_has_a_page_for_every_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    let manual = folder.path().join("share/man1");
    let written = said(&["man", "--dir", manual.to_str().unwrap()]);
    assert!(written.stdout.contains("pentimento.1"));

    let mut expected = BTreeSet::from(["pentimento.1".to_owned()]);
    for command in subcommands(&[]) {
        expected.insert(format!("pentimento-{command}.1"));
        expected.extend(subcommands(&[&command]).iter().map(|inner| format!("pentimento-{command}-{inner}.1")));
    }
    for page in ["pentimento-log.1", "pentimento-baseline.1", "pentimento-subject-withdraw-consent.1"] {
        assert!(expected.contains(page), "{page} is not in {expected:?}");
    }
    let pages = fs::read_dir(&manual).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(pages.collect::<BTreeSet<_>>(), expected);

    let top = fs::read_to_string(manual.join("pentimento.1")).unwrap();
    assert_eq!(top, said(&["man"]).stdout);
    for command in subcommands(&[]) {
        let page = format!("pentimento-{command}(1)");
        assert!(top.replace("\\-", "-").contains(&page), "{page} is not on the top page");
    }
    let review = fs::read_to_string(manual.join("pentimento-review.1")).unwrap().replace("\\-", "-");
    assert!(
        review.contains(".TH pentimento-review 1")
            && review.contains("pentimento 0.")
            && review.contains("wrong-expression"),
        "{review}"
    );
}

#[test]
fn a_manual_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    run(pentimento().arg("man").arg("--dir").arg(&file)).refused(1, &["manual", "file"]);
}

#[test]
fn every_shell_completes_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&["completions", shell]).stdout;
        for command in subcommands(&[]) {
            assert!(script.contains(&command), "{shell}: {command}");
        }
        assert!(script.contains("withdraw-consent") && script.contains("diagnosis"), "{shell}");
    }
    run(pentimento().args(["completions", "cmd"])).refused(2, &["cmd"]);
}
