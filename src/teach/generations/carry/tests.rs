//! A head on its way to another site, and what is no head.

#![allow(clippy::unwrap_used)]

use super::super::tests::{learned, manifest};
use super::*;

const FEATURIZER: &str = "lite0-test";

fn site(dir: &Path) -> Generations {
    Generations::of(dir, "species")
}

/// An archive of these entries, whatever they are.
fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn summed(json: &[u8], weights: &[u8]) -> Vec<u8> {
    let sums = format!("{}  head.json\n{}  head.safetensors\n", hex(json), hex(weights));
    let regular = EntryType::Regular;
    archive(&[
        ("head.json", regular, json),
        ("head.safetensors", regular, weights),
        ("SHA256SUMS", regular, sums.as_bytes()),
    ])
}

#[test]
fn a_head_is_carried_to_another_site_and_serves_there_once_it_is_promoted() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (site(&dir.path().join("here")), site(&dir.path().join("there")));
    here.add(manifest(Decision::Refused), &learned().into()).unwrap();
    here.add(manifest(Decision::Promoted), &learned().into()).unwrap();
    let file = dir.path().join("fox.head");
    here.export(2, &file).unwrap();
    let listed = std::process::Command::new("tar").args(["-tf", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), "head.json\nhead.safetensors\nSHA256SUMS\n");
    let it = there.import(&file, FEATURIZER, 3).unwrap();
    assert_eq!((it.generation.number, there.current().unwrap()), (1, 0));
    assert_eq!(it.cause, "imported from \"fox.head\", where it was generation 2 (a test)");
    assert_eq!(
        (it.verdict.decision, &*it.verdict.reason),
        (Decision::Imported, "promoted where it was trained: so it is")
    );
    assert_eq!(there.weights(&it).unwrap(), learned().into());
    there.promote(1).unwrap();
    assert_eq!((there.current().unwrap(), there.before(1).unwrap()), (1, 0));
}

#[test]
fn what_is_no_head_is_refused_in_a_sentence_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (site(&dir.path().join("here")), site(&dir.path().join("there")));
    here.add(manifest(Decision::Promoted), &learned().into()).unwrap();
    let file = dir.path().join("x.head");
    here.export(1, &file).unwrap();
    let whole = fs::read(&file).unwrap();
    let (json, weights) = (
        fs::read(dir.path().join("here/heads/species/1/head.json")).unwrap(),
        fs::read(dir.path().join("here/heads/species/1/head.safetensors")).unwrap(),
    );
    let refused = |bytes: &[u8], said: &str| {
        fs::write(&file, bytes).unwrap();
        let error = there.import(&file, FEATURIZER, 3).unwrap_err().to_string();
        assert!(error.contains(said) && error.ends_with("nothing was changed"), "{said}: {error}");
        assert!(!dir.path().join("there").exists() && !dir.path().join("evil").exists(), "{said}");
    };
    let regular = EntryType::Regular;
    refused(b"", "does not hold head.json, head.safetensors and SHA256SUMS");
    refused(b"no archive at all", "no whole archive");
    refused(&[7; 2000], "no whole archive");
    for cut in [100, 600, 1100, whole.len() / 2] {
        refused(&whole[..cut], "");
    }
    refused(&archive(&[("../../evil", regular, b"x")]), "\"../../evil\", which belongs to no head");
    refused(&archive(&[("/tmp/evil", regular, b"x")]), "\"/tmp/evil\", which belongs to no head");
    refused(&archive(&[("head.json", EntryType::Symlink, b"")]), "head.json is no regular file");
    refused(&archive(&[("head.json", EntryType::XHeader, b"99 path=../evil\n")]), "head.json is no regular file");
    refused(&archive(&[("head.json", regular, b"{}"), ("head.json", regular, b"{}")]), "head.json twice");
    let mut huge = archive(&[("head.json", regular, b"{}")]);
    huge[124..136].copy_from_slice(b"77777777777\0");
    let sum: u32 =
        huge[..512].iter().enumerate().map(|(i, it)| if (148..156).contains(&i) { 32 } else { u32::from(*it) }).sum();
    huge[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    refused(&huge, "bytes, and");
    let mut changed = whole.clone();
    let place = changed.windows(4).position(|it| it == b"fox\"").unwrap();
    changed[place] = b'b';
    refused(&changed, "SHA256SUMS are not those of its files");

    let text = String::from_utf8(json.clone()).unwrap();
    let with = |from: &str, to: &str| summed(text.replace(from, to).as_bytes(), &weights);
    refused(&with("lite0-test", "another"), "fitted on featurizer \"another\", and \"lite0-test\" serves here");
    refused(&with("\"species\"", "\"content\""), "it is a head of content, not of species");
    refused(&with("\"name\": \"fox\"", "\"name\": \"blank\""), "\"blank\" twice");
    refused(&with("\"name\": \"fox\"", "\"name\": \"fox\\u0007\""), "class 2 has no usable name");
    refused(&with(&format!("\"format\": {FORMAT}"), "\"format\": 9"), "format 9");
    refused(&with("\"sharpness\": 1.25", "\"sharpness\": -1.0"), "no number");
    refused(&summed(&json, &weights[..weights.len() - 4]), "another head's");
    fs::write(&file, summed(&json, &weights)).unwrap();
    let error = there.import(&file, FEATURIZER, 1280).unwrap_err().to_string();
    assert!(error.contains("vectors of 3 numbers, and the featurizer's have 1280"), "{error}");
    let error = there.import(dir.path(), FEATURIZER, 3).unwrap_err().to_string();
    assert!(error.contains("it is no file"), "{error}");
    there.import(&file, FEATURIZER, 3).unwrap();
}
