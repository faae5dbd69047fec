//! Which process this is, and whether another one is dead.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::studio::worker::Process;

/// This process.
pub(super) fn current() -> Process {
    let pid = std::process::id();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let identity = match (scope(), start_time(pid)) {
        (Some(scope), Some(Start::At(start))) => format!("{scope}/{start}"),
        _ => String::new(),
    };
    Process { host, pid, identity }
}

/// Whether a process is certainly dead. Only a process of this machine since its last boot can be judged; of others,
/// leases expire.
pub(super) fn is_dead(process: &Process) -> bool {
    let Some((recorded, started)) = process.identity.rsplit_once('/') else { return false };
    if scope().as_deref() != Some(recorded) {
        return false;
    }
    match start_time(process.pid) {
        Some(Start::At(start)) => start != started,
        Some(Start::Never) => true,
        None => false,
    }
}

enum Start {
    /// In clock ticks since boot.
    At(String),
    /// No process has this pid, or it is a zombie.
    Never,
}

/// Where a pid means the same process: this boot of this machine, and this pid namespace.
fn scope() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.to_string_lossy()))
}

/// When a process started, from the fields of proc(5); `None` if that cannot be read.
fn start_time(pid: u32) -> Option<Start> {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        // Processes of other users may be hidden.
        return has_no_process(pid).then_some(Start::Never);
    };
    // The name in parentheses may contain anything. The state follows it, and the start time is 19 fields later.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return Some(Start::Never);
    }
    fields.nth(18).map(|start| Start::At(start.to_owned()))
}

fn has_no_process(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    test_kill_process(pid) == Err(Errno::SRCH)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn of(pid: u32) -> Process {
        let Some(Start::At(start)) = start_time(pid) else { panic!("{pid} does not run") };
        Process { pid, identity: format!("{}/{start}", scope().unwrap()), ..current() }
    }

    #[test]
    fn a_process_is_dead_after_it_ends_and_if_its_pid_belongs_to_another() {
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        let process = of(child.id());
        assert!(!is_dead(&process));
        let other = Process { pid: std::process::id(), ..process.clone() };
        assert!(is_dead(&other) || other.identity == current().identity);
        child.kill().unwrap();
        // A zombie is dead, too.
        while !is_dead(&process) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.wait().unwrap();
        assert!(is_dead(&process));
    }

    #[test]
    fn a_process_of_another_boot_or_namespace_is_not_judged() {
        assert!(!is_dead(&current()));
        let gone = Process { pid: u32::MAX, ..current() };
        assert!(is_dead(&gone));
        for identity in ["", "no-slash", "another-boot/pid:[1]/5"] {
            assert!(!is_dead(&Process { identity: identity.to_owned(), ..gone.clone() }), "{identity}");
        }
    }
}
