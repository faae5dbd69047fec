//! `doctor`: checks what this machine offers, and says what to do about what is missing.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::output::terminal::{Images, Terminal};
use crate::cli::output::{describe, facts, print};
use crate::cli::project::{self, NoProject, ProjectArguments};
use crate::config::{Config, IMAGES, LogLevel};
use crate::diffusion::compute::{BUILT_WITH_CUDA, Compute, DeviceChoice, DtypeChoice};
use crate::diffusion::memory;
use crate::diffusion::observer::Unobserved;
use crate::diffusion::pipeline::Pipeline;
use crate::logging;
use crate::service::models::{self, MINI};
use crate::studio::recipe::Model;
use crate::studio::text::clean;
use crate::studio::worker::{Activity, WorkerReport};
use crate::terminal::capabilities::{Capabilities, Tmux};
use crate::terminal::colours::Colours;
use crate::terminal::protocol::Protocol;

/// Check terminal, pictures, processor, GPU, memory and model
#[derive(Args)]
pub struct Arguments {
    /// Print the findings as one JSON document
    #[arg(long)]
    json: bool,
}

/// The result of one check.
struct Finding {
    name: &'static str,
    /// Whether everything in the program works with it.
    good: bool,
    found: String,
    /// What to do; empty if nothing.
    advice: String,
    facts: Value,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let terminal = Terminal::on_stdout();
    let findings = [
        text(&terminal.capabilities),
        pictures(&terminal),
        processor(),
        gpu(),
        free_memory(),
        built_in_model(),
        log(),
        workers(project),
    ];
    if arguments.json {
        let document: Map<String, Value> = findings
            .iter()
            .map(|finding| {
                let fields = json!({
                    "ok": finding.good, "found": finding.found, "advice": finding.advice, "facts": finding.facts,
                });
                (finding.name.to_owned(), fields)
            })
            .collect();
        return Ok(print::document(&Value::Object(document))?);
    }
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        let mark = if finding.good { "ok " } else { "-- " };
        writeln!(out, "{mark} {:<9} {}", finding.name, clean(&finding.found))?;
        if !finding.advice.is_empty() {
            writeln!(out, "              {}", clean(&finding.advice))?;
        }
    }
    Ok(())
}

fn text(terminal: &Capabilities) -> Finding {
    let term = std::env::var("TERM").unwrap_or_default();
    let is_terminal = std::io::stdout().is_terminal();
    let is_truecolor = terminal.colours == Colours::True;
    let colours = terminal.colours.name();
    let (columns, rows) = (terminal.columns, terminal.rows);
    let name = terminal.terminal.as_deref().map_or_else(String::new, |name| format!("{name}, "));
    let (found, advice) = if !is_terminal {
        ("stdout is a file or a pipe, not a terminal".to_owned(), String::new())
    } else if is_truecolor || terminal.colours == Colours::None {
        (format!("{name}{term}, {columns}×{rows}, {colours}"), String::new())
    } else {
        let advice = "if the terminal supports true colour, set COLORTERM=truecolor (ssh does not forward it)";
        (format!("{name}{term}, {columns}×{rows}, {colours}"), advice.to_owned())
    };
    Finding {
        name: "terminal",
        good: is_terminal,
        found,
        advice,
        facts: json!({
            "is_terminal": is_terminal, "term": clean(&term), "columns": columns, "rows": rows,
            "truecolor": is_truecolor, "colours": colours, "name": terminal.terminal,
        }),
    }
}

fn pictures(terminal: &Terminal) -> Finding {
    let capabilities = &terminal.capabilities;
    let advice = match (capabilities.protocol, terminal.images) {
        (Protocol::Off, _) => "commands print the paths of pictures instead".to_owned(),
        (Protocol::HalfBlocks, _) if capabilities.advice.is_empty() => {
            format!("to choose another protocol, set {IMAGES} to kitty, sixel or iterm2")
        }
        (Protocol::Kitty | Protocol::Sixel | Protocol::Iterm2, Images::HalfBlocks) => {
            "commands print half-blocks here; the workbench shows sharp pictures".to_owned()
        }
        _ => capabilities.advice.clone(),
    };
    let cell = format!("{}×{}", capabilities.cell_size.width, capabilities.cell_size.height);
    let cell_size = match (capabilities.protocol, capabilities.cell_size_is_known) {
        (Protocol::HalfBlocks | Protocol::Off, _) => String::new(),
        (_, true) => format!("; cells of {cell} pixels"),
        (_, false) => format!("; cells of {cell} pixels assumed, because the terminal reports none"),
    };
    let tmux = match capabilities.tmux {
        Tmux::Absent => Value::Null,
        Tmux::PassesThrough => json!("passes through"),
        Tmux::Blocks => json!("keeps to itself"),
    };
    Finding {
        name: "pictures",
        good: capabilities.protocol != Protocol::Off,
        found: format!("{}: {}{cell_size}", capabilities.protocol, capabilities.reason),
        advice,
        facts: json!({
            "protocol": capabilities.protocol.name(), "why": capabilities.reason, "tmux": tmux,
            "cell": {"width": capabilities.cell_size.width, "height": capabilities.cell_size.height, "known": capabilities.cell_size_is_known},
        }),
    }
}

fn processor() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let features = vector_instructions();
    let (good, advice) = match features {
        NO_VECTORS => (false, "generation is slow on this processor; use a GPU if you can".to_owned()),
        _ => (true, String::new()),
    };
    Finding {
        name: "processor",
        good,
        found: format!("{cores} {}, vector instructions: {features}", if cores == 1 { "core" } else { "cores" }),
        advice,
        facts: json!({"cores": cores, "vector_instructions": features, "architecture": std::env::consts::ARCH}),
    }
}

fn gpu() -> Finding {
    let driver = std::fs::read_to_string("/proc/driver/nvidia/version").ok();
    let driver = driver.as_deref().and_then(|text| text.lines().next()).map(str::to_owned);
    let (good, found, advice) = if !BUILT_WITH_CUDA {
        let advice = match driver {
            Some(_) => "an NVIDIA driver is installed: to use it, build with `cargo build --release --features cuda`",
            None => "generation runs on the processor; for an NVIDIA GPU, build with --features cuda",
        };
        (false, "built without GPU support".to_owned(), advice.to_owned())
    } else {
        match Compute::choose(DeviceChoice::Cuda(0), DtypeChoice::Auto) {
            Ok(compute) => (true, format!("{} works", compute.device_name()), String::new()),
            Err(error) => (false, error.to_string(), "generation runs on the processor until this is fixed".to_owned()),
        }
    };
    Finding {
        name: "gpu",
        good,
        found,
        advice,
        facts: json!({"built_with_cuda": BUILT_WITH_CUDA, "usable": good, "driver": driver}),
    }
}

fn free_memory() -> Finding {
    const ENOUGH: u64 = 1 << 30;
    const FOR_SD15: u64 = 6 << 30;
    let free = memory::available();
    let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
    let (found, advice) = match free {
        None => ("the system does not report free memory".to_owned(), String::new()),
        Some(bytes) if bytes < ENOUGH => (
            format!("{:.1} GiB free", gib(bytes)),
            "the built-in model needs up to 1 GiB: close other programs".to_owned(),
        ),
        Some(bytes) if bytes < FOR_SD15 => {
            let advice = "enough for the built-in model; Stable Diffusion 1.5 with an adapter needs about 6 GiB";
            (format!("{:.1} GiB free", gib(bytes)), advice.to_owned())
        }
        Some(bytes) => (format!("{:.1} GiB free", gib(bytes)), String::new()),
    };
    let good = free.is_none_or(|bytes| bytes >= ENOUGH);
    Finding { name: "memory", good, found, advice, facts: json!({"available_bytes": free}) }
}

fn built_in_model() -> Finding {
    let started = Instant::now();
    match load_built_in() {
        Ok((hash, bytes)) => {
            let seconds = started.elapsed().as_secs_f64();
            let short = &hash[..12.min(hash.len())];
            let found = format!("{MINI} ({short}…), {:.0} MB in memory, loads in {seconds:.1} s", bytes as f64 / 1e6);
            let facts = json!({"name": MINI, "loads": true, "blake3": hash, "weight_bytes": bytes, "load_s": seconds});
            Finding { name: "model", good: true, found, advice: "to try it, run pentimento demo".to_owned(), facts }
        }
        Err(error) => Finding {
            name: "model",
            good: false,
            found: format!("the built-in model does not load: {error}"),
            advice: "this program was built from incomplete sources: build it again, or use --model with a checkpoint"
                .to_owned(),
            facts: json!({"name": MINI, "loads": false}),
        },
    }
}

fn log() -> Finding {
    let config = Config::current();
    let (level, origin) = (config.log.value, &config.log.origin);
    let status = logging::status(level, &config.folders);
    let path = status.path.as_deref().map(|path| path.display().to_string());
    let facts = json!({
        "path": path, "level": level.to_string(), "origin": origin.to_string(), "problem": status.problem,
    });
    let (good, found, advice) = match (path, status.problem) {
        (_, _) if level == LogLevel::Off => (true, format!("off ({origin})"), String::new()),
        (Some(path), None) => (true, format!("{path}, level {level} ({origin})"), String::new()),
        (Some(path), Some(problem)) => {
            let advice = "make this folder writable, or set XDG_STATE_HOME to another one";
            (false, format!("cannot write {path}: {problem}"), advice.to_owned())
        }
        (None, problem) => {
            let problem = problem.unwrap_or_default();
            (false, format!("no log: {problem}"), "set HOME or XDG_STATE_HOME".to_owned())
        }
    };
    Finding { name: "log", good, found, advice, facts }
}

/// The workers of the project, if there is one.
fn workers(project: &ProjectArguments) -> Finding {
    let now = Timestamp::now();
    let read = || Ok::<_, anyhow::Error>(project::open_read_only(project)?.workers()?);
    let (good, found, facts) = match read() {
        Ok(workers) if workers.is_empty() => (true, "no worker serves the project".to_owned(), json!([])),
        Ok(workers) => {
            let is_well = |worker: &WorkerReport| !worker.is_silent(now) && worker.activity != Activity::Restarting;
            let lines: Vec<String> = workers.iter().map(|worker| describe::worker(worker, now)).collect();
            let facts: Vec<Value> = workers.iter().map(|worker| facts::worker(worker, now)).collect();
            (workers.iter().all(is_well), lines.join("; "), json!(facts))
        }
        Err(error) if error.is::<NoProject>() => (true, "no project here".to_owned(), json!([])),
        Err(error) => (false, error.to_string(), json!([])),
    };
    let advice = if good { String::new() } else { "see the log for the reason".to_owned() };
    Finding { name: "workers", good, found, advice, facts }
}

/// Loads the built-in model. Returns its hash and the size of its weights in memory, in bytes.
fn load_built_in() -> anyhow::Result<(String, u64)> {
    let named = models::find(&Model::named(MINI))?;
    let hashing = named.start_hashing();
    Pipeline::load(&named.model, &Compute::cpu(), &mut Unobserved)?;
    let weights = memory::estimate(&named.model, &Compute::cpu(), 8, 8, 1)?.weights;
    Ok((named.ingredients(hashing)?.model.hash, weights))
}

/// The processor has no vector instructions that the program uses.
const NO_VECTORS: &str = "none";

#[cfg(target_arch = "x86_64")]
fn vector_instructions() -> &'static str {
    if is_x86_feature_detected!("avx512f") {
        "AVX-512"
    } else if is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        NO_VECTORS
    }
}

#[cfg(target_arch = "aarch64")]
fn vector_instructions() -> &'static str {
    "NEON"
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn vector_instructions() -> &'static str {
    NO_VECTORS
}
