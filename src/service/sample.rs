//! The sample project: a fictional person, an approved reference, and two queued runs.

use std::path::Path;

use jiff::Timestamp;

use super::models::MINI;
use super::{Result, references, subjects};
use crate::diffusion::model::Model;
use crate::imaging;
use crate::store::Store;
use crate::store::references::{NewReference, Opinion};
use crate::store::runs::NewRun;
use crate::studio::consent::ConsentKind;
use crate::studio::prompt::{Block, Prompt};
use crate::studio::recipe::{Model as RunModel, Recipe};
use crate::studio::reference::Decision;
use crate::studio::seeds::Seeds;
use crate::studio::settings::Settings;
use crate::studio::subject::Handle;

/// Fills an empty project with the sample subject.
pub fn fill(store: &Store) -> Result<()> {
    let handle: Handle = "sample".parse().unwrap_or_else(|_| unreachable!("sample is a valid handle"));
    let subject = subjects::add(store, &handle, "A fictional person", "Drawn by a program; part of pentimento.")?.id;
    let statement = "drawn by a program for pentimento; shows nobody";
    let consent = subjects::record_consent(store, subject, ConsentKind::Synthetic, statement, None)?;

    let file = Path::new("reference.png");
    let bytes = Model::mini().files().folder("subject").read("reference.png")?;
    let new = references::candidate(&imaging::decode_picture(file, &bytes)?, file, Some("frontal, plain background"))?;
    let new = NewReference { consent: Some(consent), ..new };
    let reference = store.add_reference(subject, &new, Timestamp::now())?;
    let opinion = Opinion {
        reviewer: "pentimento".to_owned(),
        note: "Frontal, sharp and evenly lit.".to_owned(),
        overrule: None,
    };
    references::decide(store, reference, Decision::Approve, &opinion)?;

    let prompt = Prompt::new()
        .with(Block::Subject, "portrait of a calm person wearing a blue sweater in a studio")
        .with(Block::Camera, "head and shoulders, sharp background")
        .with(Block::Lighting, "soft light")
        .with(Block::Style, "natural photo")
        .with(Block::Constraints, "looking at the camera");
    let recipe = Recipe {
        prompt,
        reference: Some(reference),
        settings: Settings::for_checkpoint(MINI),
        model: RunModel::named(MINI),
    };
    let seeds = Seeds::new(vec![1, 2, 3]).unwrap_or_else(|_| unreachable!("three different seeds are valid"));
    let first = store.add_run(&NewRun::new(subject, recipe.clone(), seeds.clone()), Timestamp::now())?;
    let mut warmer = recipe;
    warmer.prompt.set(Block::Lighting, "warm golden light");
    let second = NewRun { parent: Some(first), ..NewRun::new(subject, warmer, seeds) };
    store.add_run(&second, Timestamp::now())?;
    Ok(())
}
