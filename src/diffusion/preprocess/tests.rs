use super::*;

fn preprocessor(config: &str) -> Result<Preprocessor, String> {
    serde_json::from_str::<Config>(config).unwrap().validate()
}

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([0, 1, 2].map(|c| ((x * x * 37 + y * 91 + c * 53 + x * y * 11) % 256) as u8))
    })
}

/// The expected values are two rows of the result from transformers 5.23 with Pillow 13.
#[test]
fn pixel_values_match_transformers() {
    let config = r#"{"size": {"shortest_edge": 4}, "crop_size": {"height": 6, "width": 5}}"#;
    let values = preprocessor(config).unwrap().pixel_values(&picture(9, 7), &Device::Cpu).unwrap();
    assert_eq!(values.dims(), [1, 3, 6, 5]);
    let values = values.squeeze(0).unwrap().to_vec3::<f32>().unwrap();
    assert_eq!(values[1][2], [0.22892839, 0.10886613, 0.3039672, 0.27395168, 0.51407593]);
    assert_eq!(values[2][5], [-1.4802198; 5], "the padding below the picture is black before normalisation");
}

#[test]
fn all_forms_of_the_file_are_equivalent() {
    let forms = [
        r#"{}"#,
        r#"{"size": 224, "crop_size": 224, "resample": 3, "image_mean": null}"#,
        r#"{"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "do_resize": true}"#,
        r#"{"size": {"shortest_edge": 224, "longest_edge": null}, "crop_size": [224, 224], "unknown": 1}"#,
        r#"{"rescale_factor": 0.00392156862745098, "image_std": [0.26862954, 0.26130258, 0.27577711]}"#,
    ];
    for form in forms {
        assert_eq!(preprocessor(form), preprocessor("{}"), "{form}");
    }
    let nowhere = Files::on_disk("/nowhere");
    assert_eq!(Preprocessor::load(&nowhere, 224).unwrap(), preprocessor("{}").unwrap());
    assert_eq!(Preprocessor::load(&nowhere, 32).unwrap(), preprocessor(r#"{"size": 32, "crop_size": 32}"#).unwrap());
}

#[test]
fn unsupported_settings_are_rejected() {
    let cases = [
        (r#"{"resample": 0}"#, "nearest"),
        (r#"{"resample": 4}"#, "box"),
        (r#"{"resample": 17}"#, "17"),
        (r#"{"size": 0}"#, "size is 0"),
        (r#"{"size": {"longest_edge": 224}}"#, "shortest_edge"),
        (r#"{"crop_size": {"shortest_edge": 224}}"#, "crop_size"),
        (r#"{"crop_size": 100000}"#, "between 1 and 4096"),
        (r#"{"image_std": [1, 0, 1]}"#, "image_std not 0"),
        (r#"{"image_std": 1e-60}"#, "image_std not 0"),
    ];
    for (config, word) in cases {
        let reason = preprocessor(config).unwrap_err();
        assert!(reason.contains(word), "{config}: {reason}");
    }
    let uncropped = preprocessor(r#"{"do_center_crop": false}"#).unwrap();
    assert!(uncropped.pixel_values(&picture(1, 1000), &Device::Cpu).is_err(), "224×224000 pixels");
}

#[test]
fn a_very_long_picture_costs_only_its_center() {
    let values = preprocessor("{}").unwrap().pixel_values(&RgbImage::new(12_000, 1), &Device::Cpu).unwrap();
    assert_eq!(values.dims(), [1, 3, 224, 224]);
}

#[test]
fn the_long_side_is_rounded_down() {
    assert_eq!(ResizeTo::ShortestEdge(224).size_for(640, 427), (335, 224));
    assert_eq!(ResizeTo::ShortestEdge(224).size_for(427, 640), (224, 335));
    assert_eq!(ResizeTo::ShortestEdge(36).size_for(37, 37), (36, 36));
}

#[test]
fn the_center_crop_matches_transformers() {
    assert_eq!(center_crop(7, 4), (Span { start: 1, length: 4 }, 0));
    assert_eq!(center_crop(4, 7), (Span { start: 0, length: 4 }, 2));
}
