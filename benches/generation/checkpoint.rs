//! A checkpoint of Stable Diffusion 1.5's size with random weights, in diffusers' layout. Its tensors have the names and
//! shapes that the architecture prescribes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// Writes the folder (4.3 GB) unless it exists.
pub fn write_once(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    println!("Writing {} (once, 4.3 GB)", folder.display());
    // Renamed when it is complete.
    let partial = folder.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial)?;
    }
    for component in ["unet", "vae", "text_encoder", "tokenizer", "scheduler"] {
        std::fs::create_dir_all(partial.join(component))?;
    }
    let configs = [
        ("model_index.json", model_index()),
        ("unet/config.json", unet_config()),
        ("vae/config.json", vae_config()),
        ("text_encoder/config.json", text_config()),
        ("scheduler/scheduler_config.json", scheduler_config()),
        ("tokenizer/tokenizer_config.json", tokenizer_config()),
        ("tokenizer/vocab.json", vocabulary()),
    ];
    for (name, config) in configs {
        std::fs::write(partial.join(name), config.to_string()).with_context(|| format!("writing {name}"))?;
    }
    std::fs::write(partial.join("tokenizer/merges.txt"), "#version: 0.2\n")?;
    write_tensors(&partial.join("unet/diffusion_pytorch_model.safetensors"), &unet(), 1)?;
    write_tensors(&partial.join("vae/diffusion_pytorch_model.safetensors"), &vae(), 2)?;
    write_tensors(&partial.join("text_encoder/model.safetensors"), &text_encoder(), 3)?;
    Ok(std::fs::rename(&partial, folder)?)
}

/// The names and shapes of a component's tensors.
#[derive(Default)]
struct Tensors(Vec<(String, Vec<usize>)>);

impl Tensors {
    fn weight(&mut self, name: &str, shape: &[usize]) {
        self.0.push((format!("{name}.weight"), shape.to_vec()));
    }

    fn layer(&mut self, name: &str, shape: &[usize]) {
        self.weight(name, shape);
        self.0.push((format!("{name}.bias"), vec![shape[0]]));
    }

    fn conv(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.layer(name, &[outputs, inputs, 3, 3]);
    }

    fn resnet(&mut self, name: &str, inputs: usize, outputs: usize, time: Option<usize>) {
        self.layer(&format!("{name}.norm1"), &[inputs]);
        self.conv(&format!("{name}.conv1"), inputs, outputs);
        if let Some(time) = time {
            self.layer(&format!("{name}.time_emb_proj"), &[outputs, time]);
        }
        self.layer(&format!("{name}.norm2"), &[outputs]);
        self.conv(&format!("{name}.conv2"), outputs, outputs);
        if inputs != outputs {
            self.layer(&format!("{name}.conv_shortcut"), &[outputs, inputs, 1, 1]);
        }
    }

    fn transformer(&mut self, name: &str, size: usize, context: usize) {
        self.layer(&format!("{name}.norm"), &[size]);
        self.layer(&format!("{name}.proj_in"), &[size, size, 1, 1]);
        let block = format!("{name}.transformer_blocks.0");
        for (attention, context) in [("attn1", size), ("attn2", context)] {
            self.weight(&format!("{block}.{attention}.to_q"), &[size, size]);
            self.weight(&format!("{block}.{attention}.to_k"), &[size, context]);
            self.weight(&format!("{block}.{attention}.to_v"), &[size, context]);
            self.layer(&format!("{block}.{attention}.to_out.0"), &[size, size]);
        }
        self.layer(&format!("{block}.ff.net.0.proj"), &[8 * size, size]);
        self.layer(&format!("{block}.ff.net.2"), &[size, 4 * size]);
        for norm in ["norm1", "norm2", "norm3"] {
            self.layer(&format!("{block}.{norm}"), &[size]);
        }
        self.layer(&format!("{name}.proj_out"), &[size, size, 1, 1]);
    }
}

const LEVELS: [usize; 4] = [320, 640, 1280, 1280];
const TIME: Option<usize> = Some(1280);
const CONTEXT: usize = 768;

fn unet() -> Tensors {
    let mut tensors = Tensors::default();
    tensors.conv("conv_in", 4, LEVELS[0]);
    tensors.layer("time_embedding.linear_1", &[1280, LEVELS[0]]);
    tensors.layer("time_embedding.linear_2", &[1280, 1280]);
    let mut inputs = LEVELS[0];
    for (level, outputs) in LEVELS.into_iter().enumerate() {
        for i in 0..2 {
            tensors.resnet(&format!("down_blocks.{level}.resnets.{i}"), inputs, outputs, TIME);
            if level < 3 {
                tensors.transformer(&format!("down_blocks.{level}.attentions.{i}"), outputs, CONTEXT);
            }
            inputs = outputs;
        }
        if level < 3 {
            tensors.conv(&format!("down_blocks.{level}.downsamplers.0.conv"), outputs, outputs);
        }
    }
    tensors.resnet("mid_block.resnets.0", inputs, inputs, TIME);
    tensors.transformer("mid_block.attentions.0", inputs, CONTEXT);
    tensors.resnet("mid_block.resnets.1", inputs, inputs, TIME);
    for (level, outputs) in LEVELS.into_iter().rev().enumerate() {
        for i in 0..3 {
            // What the way down left behind: of this level, and last of the one above.
            let skipped = if i < 2 { outputs } else { LEVELS[2_usize.saturating_sub(level)] };
            tensors.resnet(&format!("up_blocks.{level}.resnets.{i}"), inputs + skipped, outputs, TIME);
            if level > 0 {
                tensors.transformer(&format!("up_blocks.{level}.attentions.{i}"), outputs, CONTEXT);
            }
            inputs = outputs;
        }
        if level < 3 {
            tensors.conv(&format!("up_blocks.{level}.upsamplers.0.conv"), outputs, outputs);
        }
    }
    tensors.layer("conv_norm_out", &[LEVELS[0]]);
    tensors.conv("conv_out", LEVELS[0], 4);
    tensors
}

fn vae() -> Tensors {
    let levels = [128, 256, 512, 512];
    let mut tensors = Tensors::default();
    let middle = |tensors: &mut Tensors, name: &str| {
        tensors.resnet(&format!("{name}.resnets.0"), 512, 512, None);
        tensors.layer(&format!("{name}.attentions.0.group_norm"), &[512]);
        for part in ["to_q", "to_k", "to_v", "to_out.0"] {
            tensors.layer(&format!("{name}.attentions.0.{part}"), &[512, 512]);
        }
        tensors.resnet(&format!("{name}.resnets.1"), 512, 512, None);
    };
    tensors.conv("encoder.conv_in", 3, 128);
    let mut inputs = 128;
    for (level, outputs) in levels.into_iter().enumerate() {
        for i in 0..2 {
            tensors.resnet(&format!("encoder.down_blocks.{level}.resnets.{i}"), inputs, outputs, None);
            inputs = outputs;
        }
        if level < 3 {
            tensors.conv(&format!("encoder.down_blocks.{level}.downsamplers.0.conv"), outputs, outputs);
        }
    }
    middle(&mut tensors, "encoder.mid_block");
    tensors.layer("encoder.conv_norm_out", &[512]);
    tensors.conv("encoder.conv_out", 512, 8);
    tensors.layer("quant_conv", &[8, 8, 1, 1]);
    tensors.layer("post_quant_conv", &[4, 4, 1, 1]);
    tensors.conv("decoder.conv_in", 4, 512);
    middle(&mut tensors, "decoder.mid_block");
    inputs = 512;
    for (level, outputs) in levels.into_iter().rev().enumerate() {
        for i in 0..3 {
            tensors.resnet(&format!("decoder.up_blocks.{level}.resnets.{i}"), inputs, outputs, None);
            inputs = outputs;
        }
        if level < 3 {
            tensors.conv(&format!("decoder.up_blocks.{level}.upsamplers.0.conv"), outputs, outputs);
        }
    }
    tensors.layer("decoder.conv_norm_out", &[128]);
    tensors.conv("decoder.conv_out", 128, 3);
    tensors
}

fn text_encoder() -> Tensors {
    let mut tensors = Tensors::default();
    tensors.weight("text_model.embeddings.token_embedding", &[WORDS, CONTEXT]);
    tensors.weight("text_model.embeddings.position_embedding", &[77, CONTEXT]);
    for i in 0..12 {
        let layer = format!("text_model.encoder.layers.{i}");
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            tensors.layer(&format!("{layer}.self_attn.{part}"), &[CONTEXT, CONTEXT]);
        }
        tensors.layer(&format!("{layer}.layer_norm1"), &[CONTEXT]);
        tensors.layer(&format!("{layer}.layer_norm2"), &[CONTEXT]);
        tensors.layer(&format!("{layer}.mlp.fc1"), &[4 * CONTEXT, CONTEXT]);
        tensors.layer(&format!("{layer}.mlp.fc2"), &[CONTEXT, 4 * CONTEXT]);
    }
    tensors.layer("text_model.final_layer_norm", &[CONTEXT]);
    tensors
}

/// Writes a float32 safetensors file. Weights have the spread that preserves the size of activations, norm weights are
/// 1, and biases are small.
fn write_tensors(path: &Path, tensors: &Tensors, seed: u64) -> Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut end = 0;
    for (name, shape) in &tensors.0 {
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        header.insert(name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}));
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for (name, shape) in &tensors.0 {
        let inputs: usize = shape[1..].iter().product();
        let (middle, spread) = match (shape.len(), name.ends_with(".bias")) {
            (1, false) => (1.0, 0.0),
            (1, true) => (0.0, 0.02),
            _ => (0.0, (3.0 / inputs as f32).sqrt()),
        };
        for _ in 0..shape.iter().product::<usize>() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let even = (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            file.write_all(&(middle + spread * even).to_le_bytes())?;
        }
    }
    Ok(file.flush()?)
}

const WORDS: usize = 49408;

/// CLIP's vocabulary of bytes, alone and at the end of a word, padded with words that never occur, and its two markers.
fn vocabulary() -> Value {
    // Printable bytes map to themselves, the others to the characters after Latin-1, as in GPT-2.
    let prints = |byte: &u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let letters = (0..256).filter(prints).chain(256..256 + (0..256).filter(|byte| !prints(byte)).count() as u32);
    let letters: Vec<String> = letters.filter_map(char::from_u32).map(String::from).collect();
    let ends = letters.iter().map(|letter| format!("{letter}</w>"));
    let words = letters.iter().cloned().chain(ends).chain((512..WORDS - 2).map(|number| format!("never{number}</w>")));
    let marks = ["<|startoftext|>".to_owned(), "<|endoftext|>".to_owned()];
    words.chain(marks).enumerate().map(|(number, word)| (word, json!(number))).collect::<Map<_, _>>().into()
}

fn model_index() -> Value {
    json!({
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0",
        "feature_extractor": [null, null], "requires_safety_checker": false, "safety_checker": [null, null],
        "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    })
}

fn unet_config() -> Value {
    json!({
        "_class_name": "UNet2DConditionModel", "act_fn": "silu", "attention_head_dim": 8,
        "block_out_channels": LEVELS, "center_input_sample": false, "cross_attention_dim": CONTEXT,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
        "mid_block_scale_factor": 1, "norm_eps": 1e-5, "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    })
}

fn vae_config() -> Value {
    json!({
        "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
        "down_block_types": vec!["DownEncoderBlock2D"; 4], "in_channels": 3, "latent_channels": 4,
        "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3, "sample_size": 512,
        "up_block_types": vec!["UpDecoderBlock2D"; 4],
    })
}

fn text_config() -> Value {
    json!({
        "architectures": ["CLIPTextModel"], "bos_token_id": WORDS - 2, "eos_token_id": WORDS - 1,
        "hidden_act": "quick_gelu", "hidden_size": CONTEXT, "intermediate_size": 4 * CONTEXT,
        "layer_norm_eps": 1e-5, "max_position_embeddings": 77, "model_type": "clip_text_model",
        "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": CONTEXT,
        "vocab_size": WORDS,
    })
}

fn scheduler_config() -> Value {
    json!({
        "_class_name": "DDIMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
        "clip_sample": false, "num_train_timesteps": 1000, "prediction_type": "epsilon", "set_alpha_to_one": false,
        "steps_offset": 1,
    })
}

fn tokenizer_config() -> Value {
    json!({
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>", "do_lower_case": true, "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
    })
}
