use std::collections::HashMap;

use candle_core::{DType, Device};
use tempfile::TempDir;

use super::*;
use crate::diffusion::checkpoint::{Files, ProjectedImageEncoderConfig};

/// Cross-attention width 6, features of width 10, hidden states of width 8.
const LINEAR: [(&str, &[usize]); 4] = [
    ("image_proj.proj.weight", &[18, 10]),
    ("image_proj.proj.bias", &[18]),
    ("image_proj.norm.weight", &[6]),
    ("image_proj.norm.bias", &[6]),
];
const FULL: [(&str, &[usize]); 6] = [
    ("image_proj.proj.0.weight", &[8, 8]),
    ("image_proj.proj.0.bias", &[8]),
    ("image_proj.proj.2.weight", &[6, 8]),
    ("image_proj.proj.2.bias", &[6]),
    ("image_proj.proj.3.weight", &[6]),
    ("image_proj.proj.3.bias", &[6]),
];
const RESAMPLER: [(&str, &[usize]); 18] = [
    ("image_proj.latents", &[1, 3, 4]),
    ("image_proj.proj_in.weight", &[4, 8]),
    ("image_proj.proj_in.bias", &[4]),
    ("image_proj.proj_out.weight", &[6, 4]),
    ("image_proj.proj_out.bias", &[6]),
    ("image_proj.norm_out.weight", &[6]),
    ("image_proj.norm_out.bias", &[6]),
    ("image_proj.layers.0.0.norm1.weight", &[4]),
    ("image_proj.layers.0.0.norm1.bias", &[4]),
    ("image_proj.layers.0.0.norm2.weight", &[4]),
    ("image_proj.layers.0.0.norm2.bias", &[4]),
    ("image_proj.layers.0.0.to_q.weight", &[128, 4]),
    ("image_proj.layers.0.0.to_kv.weight", &[256, 4]),
    ("image_proj.layers.0.0.to_out.weight", &[4, 128]),
    ("image_proj.layers.0.1.0.weight", &[4]),
    ("image_proj.layers.0.1.0.bias", &[4]),
    ("image_proj.layers.0.1.1.weight", &[16, 4]),
    ("image_proj.layers.0.1.3.weight", &[4, 16]),
];
const LAYERS: [(&str, &[usize]); 4] = [
    ("ip_adapter.1.to_k_ip.weight", &[12, 6]),
    ("ip_adapter.1.to_v_ip.weight", &[12, 6]),
    ("ip_adapter.3.to_k_ip.weight", &[24, 6]),
    ("ip_adapter.3.to_v_ip.weight", &[24, 6]),
];

type Shapes = HashMap<String, Vec<usize>>;

fn shapes(projection: &[(&str, &[usize])]) -> Shapes {
    projection.iter().chain(&LAYERS).map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect()
}

fn load(shapes: &Shapes) -> Result<Adapter> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("adapter.safetensors");
    let tensors: HashMap<String, Tensor> = shapes
        .iter()
        .map(|(name, shape)| {
            // Published files mix types too.
            let dtype = if name.starts_with("ip_adapter") { DType::F16 } else { DType::F32 };
            (name.clone(), Tensor::ones(shape.as_slice(), dtype, &Device::Cpu).unwrap())
        })
        .collect();
    candle_core::safetensors::save(&tensors, &path).unwrap();
    Adapter::load(&weights(folder.path(), "adapter.safetensors")?)
}

/// The error after a change to an adapter that loads.
fn refusal(projection: &[(&str, &[usize])], change: impl FnOnce(&mut Shapes)) -> String {
    let mut shapes = shapes(projection);
    load(&shapes).expect("an adapter that loads");
    change(&mut shapes);
    load(&shapes).err().expect("a refusal").to_string()
}

fn set(name: &'static str, shape: &'static [usize]) -> impl FnOnce(&mut Shapes) {
    move |shapes| {
        shapes.insert(name.to_owned(), shape.to_vec());
    }
}

fn without(name: &'static str) -> impl FnOnce(&mut Shapes) {
    move |shapes| {
        shapes.remove(name).unwrap();
    }
}

#[test]
fn the_variant_and_its_sizes_come_from_the_tensors() {
    for (projection, name, tokens) in [(&LINEAR[..], "linear", 3), (&FULL, "full", 5), (&RESAMPLER, "plus", 3)] {
        let adapter = load(&shapes(projection)).unwrap();
        assert_eq!((adapter.projection.name(), adapter.context_size()), (name, 6));
        assert_eq!(adapter.layer_numbers(), [1, 3]);
        assert_eq!(adapter.layer(3).unwrap().1.dims(), [24, 6]);
        assert!(adapter.layer(2).is_none());
        let features = if name == "linear" { vec![2, 10] } else { vec![2, 5, 8] };
        let features = Tensor::ones(features, DType::F32, &Device::Cpu).unwrap();
        assert_eq!(adapter.projection.forward(&features).unwrap().dims(), [2, tokens, 6]);
    }
}

#[test]
fn face_id_adapters_are_refused() {
    let plus = refusal(&RESAMPLER, set("image_proj.perceiver_resampler.proj_in.weight", &[4, 8]));
    let plain = refusal(&FULL, |shapes| {
        shapes.remove("image_proj.proj.3.weight");
        shapes.insert("image_proj.norm.weight".to_owned(), vec![6]);
    });
    let with_lora = refusal(&LINEAR, set("ip_adapter.0.to_q_lora.down.weight", &[8, 6]));
    for sentence in [plus, plain, with_lora] {
        assert!(sentence.contains("is a FaceID adapter") && sentence.contains("not biometric"), "{sentence}");
    }
}

#[test]
fn other_files_are_refused_with_the_reason() {
    let none = load(&[("conv.weight".to_owned(), vec![3, 3])].into()).err().unwrap().to_string();
    assert!(none.contains("is not an IP-Adapter: it has no tensors image_proj"), "{none}");
    let half = load(&shapes(&LINEAR).into_iter().filter(|(name, _)| name.starts_with("image")).collect());
    assert!(half.err().unwrap().to_string().contains("no tensors ip_adapter"));
    let unknown = refusal(&RESAMPLER, without("image_proj.latents"));
    assert!(unknown.contains("no known projection"), "{unknown}");
}

#[test]
fn tensors_that_do_not_fit_each_other_are_refused_with_the_reason() {
    let cases = [
        (refusal(&LINEAR, set("image_proj.proj.weight", &[17, 10])), "17 rows"),
        (refusal(&LINEAR, set("image_proj.proj.weight", &[0, 10])), "none of them 0"),
        (refusal(&LINEAR, set("image_proj.norm.weight", &[0])), "none of them 0"),
        (refusal(&LINEAR, set("image_proj.proj.bias", &[5])), "image_proj.proj.bias has the shape [5]"),
        (refusal(&LINEAR, set("image_proj.extra", &[5])), "image_proj.extra"),
        (refusal(&FULL, without("image_proj.proj.0.bias")), "no tensor image_proj.proj.0.bias"),
        (refusal(&RESAMPLER, set("image_proj.latents", &[2, 3, 4])), "2 sets"),
        (refusal(&RESAMPLER, set("image_proj.latents", &[3, 4])), "3 sizes"),
        (refusal(&RESAMPLER, set("image_proj.layers.0.0.to_q.weight", &[100, 4])), "100 rows"),
        (refusal(&RESAMPLER, set("image_proj.layers.0.0.to_kv.weight", &[128, 4])), "to_kv"),
        (refusal(&RESAMPLER, set("image_proj.layers.2.1.0.bias", &[4])), "no layers.1"),
        (refusal(&RESAMPLER, set("image_proj.pos_emb.weight", &[4, 4])), "pos_emb"),
        (refusal(&LINEAR, without("ip_adapter.3.to_v_ip.weight")), "ip_adapter.3.to_v_ip.weight"),
        (refusal(&LINEAR, without("ip_adapter.3.to_k_ip.weight")), "ip_adapter.3.to_k_ip.weight"),
        (refusal(&LINEAR, set("ip_adapter.1.to_v_ip.weight", &[12, 7])), "ip_adapter.1.to_v_ip.weight"),
        (refusal(&LINEAR, set("ip_adapter.1.to_k_ip.bias", &[12])), "ip_adapter.1.to_k_ip.bias"),
        (refusal(&LINEAR, set("ip_adapter.99999999999999999999.to_k_ip.weight", &[1, 6])), "no adapter has a tensor"),
        (refusal(&LINEAR, set("ip_adapter.01.to_k_ip.weight", &[12, 6])), "no adapter has a tensor"),
    ];
    for (sentence, words) in cases {
        assert!(sentence.contains("is not an IP-Adapter") && sentence.contains(words), "{words}: {sentence}");
    }
}

#[test]
fn an_adapter_for_another_checkpoint_is_refused_with_the_difference() {
    let adapter = load(&shapes(&LINEAR)).unwrap();
    adapter.fits(&[(1, 12), (3, 24)], 6).unwrap();
    let cases = [
        (adapter.fits(&[(1, 12), (3, 24)], 768), "cross-attention width is 6, but the checkpoint's is 768 (SD 1.x)"),
        (adapter.fits(&[(1, 12), (3, 24), (5, 24)], 6), "it has no layer 5"),
        (adapter.fits(&[(1, 12)], 6), "it has a layer 3"),
        (adapter.fits(&[(1, 12), (3, 12)], 6), "its layer 3 has width 24, but the checkpoint's has 12"),
    ];
    for (result, words) in cases {
        let sentence = result.unwrap_err().to_string();
        assert!(sentence.contains("does not fit this checkpoint") && sentence.contains(words), "{sentence}");
    }
}

#[test]
fn an_encoder_of_another_width_is_refused() {
    let encoder = encoder(8, 9);
    let pixels = Tensor::ones((1, 3, 4, 4), DType::F32, &Device::Cpu).unwrap();
    let refused = load(&shapes(&LINEAR)).unwrap().image_tokens(&encoder, &pixels).err().unwrap().to_string();
    assert!(refused.contains("image embeddings of width 10, but the image encoder makes 9"), "{refused}");
    for projection in [&FULL[..], &RESAMPLER] {
        load(&shapes(projection)).unwrap().image_tokens(&encoder, &pixels).unwrap();
    }
    let narrow = wrong_size(&encoder);
    assert!(narrow.contains("preprocessor_config.json") && narrow.contains("reads 4×4"), "{narrow}");
}

fn wrong_size(encoder: &ImageEncoder) -> String {
    let pixels = Tensor::ones((1, 3, 5, 4), DType::F32, &Device::Cpu).unwrap();
    encoder.image_embeds(&pixels).err().unwrap().to_string()
}

/// An image encoder of one layer over four patches of 2×2 pixels.
fn encoder(width: usize, projected: usize) -> ImageEncoder {
    let mut shapes: Shapes = HashMap::new();
    let mut add = |name: &str, shape: &[usize]| shapes.insert(name.to_owned(), shape.to_vec());
    add("visual_projection.weight", &[projected, width]);
    add("vision_model.embeddings.class_embedding", &[width]);
    add("vision_model.embeddings.patch_embedding.weight", &[width, 3, 2, 2]);
    add("vision_model.embeddings.position_embedding.weight", &[5, width]);
    let layer = "vision_model.encoder.layers.0";
    for norm in ["vision_model.pre_layrnorm", "vision_model.post_layernorm"] {
        add(&format!("{norm}.weight"), &[width]);
        add(&format!("{norm}.bias"), &[width]);
    }
    for norm in ["layer_norm1", "layer_norm2"] {
        add(&format!("{layer}.{norm}.weight"), &[width]);
        add(&format!("{layer}.{norm}.bias"), &[width]);
    }
    for linear in
        ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"]
    {
        add(&format!("{layer}.{linear}.weight"), &[width, width]);
        add(&format!("{layer}.{linear}.bias"), &[width]);
    }
    let tensors: HashMap<String, Tensor> = shapes
        .iter()
        .map(|(name, shape)| (name.clone(), Tensor::ones(shape.as_slice(), DType::F32, &Device::Cpu).unwrap()))
        .collect();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let config: ProjectedImageEncoderConfig = serde_json::from_value(serde_json::json!({
        "hidden_size": width, "intermediate_size": width, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 4, "patch_size": 2, "projection_dim": projected, "hidden_act": "gelu"
    }))
    .unwrap();
    ImageEncoder::load(&weights(folder.path(), "model.safetensors").unwrap(), &config).unwrap()
}

fn weights(folder: &Path, name: &str) -> Result<Weights> {
    Weights::open_in(&Files::on_disk(folder), name, DType::F32, &Device::Cpu)
}
