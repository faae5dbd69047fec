//! What a generated picture says about itself, in the places where others look for it.

use serde_json::{Map, Value, json};

use crate::studio::account::Account;
use crate::studio::prompt::{Block, Prompt};
use crate::studio::settings::{AdapterScale, LongPrompt, Sampler, Settings};
use crate::studio::subject::TaskId;

/// The IPTC's word for "made by a trained model", which platforms read to label a picture.
pub const DIGITAL_SOURCE_TYPE: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// The keywords of the texts in a PNG.
pub(super) const XMP: &str = "XML:com.adobe.xmp";
pub(super) const RECORD: &str = "pentimento";
pub(super) const PARAMETERS: &str = "parameters";

/// The texts that travel in a PNG. The mark that the picture was generated is always among them.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// For the keyword `parameters`: the settings as AUTOMATIC1111's web UI writes them, which most tools can read.
    pub(super) parameters: Option<String>,
    /// For the keyword `pentimento`: everything needed to make the picture again.
    pub(super) record: Value,
}

/// A file that went into a picture, by the name people know it under and by its BLAKE3 hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingredient {
    pub name: String,
    pub hash: String,
}

/// Everything that determined one picture. There is no time in it: the same generation makes the same file.
#[derive(Clone, Debug)]
pub struct Generation<'a> {
    pub prompt: &'a str,
    pub negative: &'a str,
    pub seed: u64,
    pub settings: &'a Settings,
    /// The sampler that ran, also where the settings left it to the checkpoint.
    pub sampler: Sampler,
    /// In pixels, as made.
    pub width: u32,
    pub height: u32,
    pub model: &'a Ingredient,
    pub adapter: Option<&'a Ingredient>,
    pub image_encoder: Option<&'a Ingredient>,
    /// The hash of the reference's file; its name stays private.
    pub reference: Option<&'a str>,
    pub device: &'a str,
    pub dtype: &'a str,
    /// None outside a project.
    pub origin: Option<Origin<'a>>,
}

/// Where in a project's history a picture belongs.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub task: &'a TaskId,
    pub parent: Option<&'a TaskId>,
    /// The prompt in its blocks.
    pub prompt: &'a Prompt,
}

impl Provenance {
    /// Of one generated picture.
    pub fn of(generation: &Generation) -> Self {
        Self { parameters: Some(parameters(generation)), record: record(generation) }
    }

    /// Of a picture whose file came from outside, with what that file told: nothing is added but that it was generated.
    pub(super) fn of_import(parameters: Option<&str>, record: Option<&Value>) -> Self {
        let record = record.cloned().unwrap_or_else(|| with_version(json!({"imported": true})));
        Self { parameters: parameters.map(str::to_owned), record }
    }

    /// What may be said of a picture without the words of its prompts and the names of files: that it was generated, and
    /// how.
    pub(super) fn without_words(account: Option<&Account>) -> Self {
        let mut record = json!({"stripped": true});
        if let Some(account) = account {
            let hash = |hash: Option<blake3::Hash>| json!(hash.map(|hash| json!({"blake3": hash.to_hex().as_str()})));
            record["seed"] = json!(account.seed);
            record["settings"] = settings_record(&account.settings);
            record["model"] = hash(account.hashes.checkpoint);
            record["adapter"] = hash(account.hashes.adapter);
            record["image_encoder"] = hash(account.hashes.image_encoder);
            record["reference"] = hash(account.reference);
            record["task"] = json!(account.task.as_ref().map(TaskId::to_string));
            record["parent"] = json!(account.parent.as_ref().map(TaskId::to_string));
        }
        Self { parameters: None, record: with_version(record) }
    }

    /// Of something put together from generated pictures.
    pub fn composed(record: Value) -> Self {
        Self { parameters: None, record: with_version(record) }
    }

    /// The XMP packet (ISO 16684-1) with the IPTC's digital source type.
    pub(super) fn xmp(&self) -> String {
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
             <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n \
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n  \
             <rdf:Description rdf:about=\"\"\n    \
             xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"\n    \
             xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"\n    \
             xmp:CreatorTool=\"{}\"\n    \
             Iptc4xmpExt:DigitalSourceType=\"{DIGITAL_SOURCE_TYPE}\"/>\n \
             </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"r\"?>",
            program()
        )
    }
}

/// Settings under the names that records give them; null is what the checkpoint decides.
pub fn settings_record(settings: &Settings) -> Value {
    json!({
        "steps": settings.steps,
        "guidance": settings.guidance_scale,
        "scheduler": settings.sampler.map(Sampler::name),
        "karras": settings.karras_sigmas,
        "width": settings.width,
        "height": settings.height,
        "adapter_scale": match &settings.adapter_scale {
            AdapterScale::Uniform(scale) => json!(scale),
            AdapterScale::PerBlock(blocks) => json!(blocks),
        },
        "adapter_start": settings.adapter_start,
        "adapter_end": settings.adapter_end,
        "long_prompt": match settings.long_prompt {
            LongPrompt::Truncate => "truncate",
            LongPrompt::Chunk => "chunk",
        },
    })
}

/// Prompt, negative prompt and one line of `Name: value` pairs.
fn parameters(generation: &Generation) -> String {
    let settings = generation.settings;
    let mut lines = vec![generation.prompt.to_owned()];
    if !generation.negative.is_empty() {
        lines.push(format!("Negative prompt: {}", generation.negative));
    }
    let mut pairs = vec![
        format!("Steps: {}", settings.steps),
        format!("Sampler: {}", webui_sampler(generation.sampler, settings.karras_sigmas == Some(true))),
        format!("CFG scale: {}", settings.guidance_scale),
        format!("Seed: {}", generation.seed),
        format!("Size: {}x{}", generation.width, generation.height),
        format!("Model: {}", pair_value(&generation.model.name)),
    ];
    if let (Some(adapter), Some(_)) = (generation.adapter, generation.reference) {
        pairs.push(format!("IP-Adapter: {}", pair_value(&adapter.name)));
        if let AdapterScale::Uniform(scale) = settings.adapter_scale {
            pairs.push(format!("IP-Adapter weight: {scale}"));
        }
    }
    pairs.push(format!("Version: {}", program()));
    lines.push(pairs.join(", "));
    lines.join("\n")
}

fn record(generation: &Generation) -> Value {
    let ingredient = |item: &Ingredient| json!({"name": item.name, "blake3": item.hash});
    // What was left to the checkpoint, as it was in the end.
    let mut used = settings_record(generation.settings);
    used["scheduler"] = json!(generation.sampler.name());
    used["width"] = json!(generation.width);
    used["height"] = json!(generation.height);
    let mut record = json!({
        "prompt": generation.prompt,
        "negative": generation.negative,
        "seed": generation.seed,
        "settings": used,
        "model": ingredient(generation.model),
        "adapter": generation.adapter.map(ingredient),
        "image_encoder": generation.image_encoder.map(ingredient),
        "reference": generation.reference.map(|hash| json!({"blake3": hash})),
        "device": generation.device,
        "dtype": generation.dtype,
    });
    if let Some(Origin { task, parent, prompt }) = generation.origin {
        let blocks: Map<String, Value> =
            Block::ALL.iter().map(|&block| (block.name().to_owned(), json!(prompt.block(block)))).collect();
        record["task"] = json!(task.to_string());
        record["parent"] = json!(parent.map(TaskId::to_string));
        record["blocks"] = Value::Object(blocks);
    }
    with_version(record)
}

fn with_version(record: Value) -> Value {
    let mut all = Map::new();
    all.insert("generator".to_owned(), json!(program()));
    all.insert("generated_by_ai".to_owned(), json!(true));
    match record {
        Value::Object(fields) => all.extend(fields),
        Value::Null => {}
        other => {
            all.insert("record".to_owned(), other);
        }
    }
    Value::Object(all)
}

fn program() -> &'static str {
    concat!("pentimento ", env!("CARGO_PKG_VERSION"))
}

/// The web UI's name for a sampler.
pub(super) fn webui_sampler(sampler: Sampler, karras: bool) -> String {
    let name = match sampler {
        Sampler::Ddim => "DDIM",
        Sampler::Euler => "Euler",
        Sampler::EulerAncestral => "Euler a",
        Sampler::DpmSolverPp2M => "DPM++ 2M",
        Sampler::UniPc => "UniPC",
        Sampler::Lcm => "LCM",
        Sampler::Pndm => "PLMS",
    };
    if karras { format!("{name} Karras") } else { name.to_owned() }
}

/// Quoted where a comma or colon would end the pair, as the web UI does.
pub(super) fn pair_value(value: &str) -> String {
    if value.contains([',', ':', '\n', '"']) { Value::from(value).to_string() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_read_as_the_web_ui_writes_them() {
        let settings = Settings { steps: 20, guidance_scale: 5.5, ..Settings::default() };
        let model = Ingredient { name: "mini, the first".to_owned(), hash: "00".to_owned() };
        let generation = Generation {
            prompt: "a portrait",
            negative: "blurry",
            seed: 7,
            settings: &settings,
            sampler: Sampler::DpmSolverPp2M,
            width: 128,
            height: 96,
            model: &model,
            adapter: None,
            image_encoder: None,
            reference: None,
            device: "cpu",
            dtype: "f32",
            origin: None,
        };
        let provenance = Provenance::of(&generation);
        assert_eq!(
            provenance.parameters.unwrap(),
            format!(
                "a portrait\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M, CFG scale: 5.5, Seed: 7, \
                 Size: 128x96, Model: \"mini, the first\", Version: pentimento {}",
                env!("CARGO_PKG_VERSION")
            )
        );
        assert_eq!(provenance.record["settings"]["scheduler"], "dpmpp-2m");
        assert_eq!(provenance.record["generated_by_ai"], true);
    }
}
