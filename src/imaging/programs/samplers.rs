//! What other programs call the samplers and schedules that this program has.
//!
//! A name is listed only if the method is the same. The UniPC of web UIs, for example, has another order and variant
//! than that of diffusers, and the SDE variants of DPM-Solver++ are other methods.

use crate::studio::account::Program;
use crate::studio::settings::Sampler;

/// Names of samplers, as [`plain`] writes them.
const SAMPLERS: [(Sampler, &[&str]); 6] = [
    (Sampler::Ddim, &["ddim"]),
    (Sampler::Euler, &["euler", "keuler"]),
    (Sampler::EulerAncestral, &["eulera", "eulerancestral", "keulera", "keulerancestral"]),
    (Sampler::DpmSolverPp2M, &["dpmpp2m", "kdpmpp2m"]),
    (Sampler::Lcm, &["lcm"]),
    (Sampler::Pndm, &["plms", "pndm"]),
];

/// Names in programs that run the schedulers of diffusers, in addition to the others. `k` at the end is for Karras.
const DIFFUSERS_SAMPLERS: [(Sampler, &[&str]); 1] = [(Sampler::UniPc, &["unipc"])];

/// Names of the schedule that a checkpoint's configuration describes, and of none in particular.
const ORDINARY_SCHEDULES: [&str; 7] = ["automatic", "default", "discrete", "native", "none", "normal", "uniform"];

/// Names of schedules that this program does not have.
const OTHER_SCHEDULES: [&str; 17] = [
    "aligned",
    "alignyoursteps",
    "ays",
    "beta",
    "bongtangent",
    "ddimuniform",
    "exponential",
    "gits",
    "kloptimal",
    "laplace",
    "linearquadratic",
    "polyexponential",
    "sgmuniform",
    "simple",
    "smoothstep",
    "trailing",
    "turbo",
];

/// How the noise levels are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schedule {
    /// As the checkpoint's configuration says.
    Ordinary,
    Karras,
}

/// A sampler by its name in a program. The text after the name is the schedule, if the name contains one.
pub(super) fn sampler(program: Program, name: &str) -> Option<(Sampler, Option<&str>)> {
    if let Some(sampler) = exact(program, name) {
        return Some((sampler, None));
    }
    // `DPM++ 2M Karras`, `dpm++2m karras`
    if let Some((front, last)) = name.trim().rsplit_once(' ')
        && is_schedule(last)
    {
        return Some((exact(program, front)?, Some(last)));
    }
    // `dpmpp_2m_k`
    if uses_diffusers(program)
        && let Some(front) = name.strip_suffix("_k")
    {
        return Some((exact(program, front)?, Some("karras")));
    }
    None
}

/// A schedule by its name for this sampler. DDIM's own spacing is not known by its name alone.
pub(super) fn schedule(name: &str, sampler: Sampler) -> Option<Schedule> {
    match plain(name).as_str() {
        "karras" => Some(Schedule::Karras),
        "ddimuniform" if sampler == Sampler::Ddim => Some(Schedule::Ordinary),
        name => ORDINARY_SCHEDULES.contains(&name).then_some(Schedule::Ordinary),
    }
}

/// Whether a name says nothing but the ordinary schedule.
pub(super) fn is_ordinary(name: &str) -> bool {
    ORDINARY_SCHEDULES.contains(&plain(name).as_str())
}

/// Whether this sampler can use Karras sigmas here.
pub(super) fn takes_karras(sampler: Sampler) -> bool {
    matches!(sampler, Sampler::Euler | Sampler::DpmSolverPp2M | Sampler::UniPc)
}

fn exact(program: Program, name: &str) -> Option<Sampler> {
    let name = plain(name);
    let more = if uses_diffusers(program) { &DIFFUSERS_SAMPLERS[..] } else { &[] };
    let found = SAMPLERS.iter().chain(more).find(|(_, names)| names.contains(&name.as_str()));
    found.map(|(sampler, _)| *sampler)
}

fn uses_diffusers(program: Program) -> bool {
    matches!(program, Program::InvokeAi | Program::Pentimento)
}

fn is_schedule(name: &str) -> bool {
    let name = plain(name);
    name == "karras" || ORDINARY_SCHEDULES.contains(&&*name) || OTHER_SCHEDULES.contains(&&*name)
}

/// A name in lower case, without spaces, `_` and `-`, and with `pp` for `++`: programs spell the same name differently.
fn plain(name: &str) -> String {
    name.to_lowercase().replace("++", "pp").replace([' ', '_', '-'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sampler_of_this_program_has_its_own_name() {
        for sampler in Sampler::ALL {
            assert!(exact(Program::Pentimento, &crate::imaging::provenance::webui_sampler(sampler, false)).is_some());
        }
    }

    #[test]
    fn spellings_of_the_same_sampler_are_known() {
        for (name, expected, schedule) in [
            ("DPM++ 2M", Sampler::DpmSolverPp2M, None),
            ("dpmpp_2m", Sampler::DpmSolverPp2M, None),
            ("dpm++2m", Sampler::DpmSolverPp2M, None),
            ("k_dpmpp_2m", Sampler::DpmSolverPp2M, None),
            ("DPM++ 2M Karras", Sampler::DpmSolverPp2M, Some("Karras")),
            ("euler_a discrete", Sampler::EulerAncestral, Some("discrete")),
            ("Euler A Trailing", Sampler::EulerAncestral, Some("Trailing")),
            ("k_euler_ancestral", Sampler::EulerAncestral, None),
            ("PLMS", Sampler::Pndm, None),
        ] {
            assert_eq!(sampler(Program::WebUi, name), Some((expected, schedule)), "{name}");
        }
        assert_eq!(sampler(Program::InvokeAi, "unipc_k"), Some((Sampler::UniPc, Some("karras"))));
    }

    #[test]
    fn other_methods_are_not_taken_for_ours() {
        for name in ["DPM++ 2M SDE", "dpmpp_2m_sde_gpu", "dpm++2mv2", "uni_pc", "UniPC", "Heun", "ddim_trailing", ""] {
            assert_eq!(sampler(Program::WebUi, name), None, "{name}");
        }
        assert_eq!(schedule("sgm_uniform", Sampler::Euler), None);
        assert_eq!(schedule("ddim_uniform", Sampler::Ddim), Some(Schedule::Ordinary));
    }
}
