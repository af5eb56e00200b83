//! Documents of other programs, read from real files.

#![allow(clippy::unwrap_used)]

use super::*;

fn read(text: &str) -> Result<Against, AgainstError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.json");
    fs::write(&path, text).unwrap();
    Against::read(&path)
}

const ANSWERS: &str = r#"{
    "detection_categories": { "1": "animal", "2": "person" },
    "classification_categories": { "7": "6c1f;mammalia;carnivora;canidae;vulpes;vulpes;Red Fox", "8": "deer" },
    "images": [
        { "file": "C:\\trail\\a\\1.jpg", "detections": [
            { "category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1], "classifications": [["7", 0.8], ["8", 0.1]] }] },
        { "file": "C:\\trail\\a\\2.jpg", "detections": [] },
        { "file": "C:\\trail\\b\\1.jpg", "detections": [{ "category": "2", "conf": 0.7, "bbox": [0, 0, 1, 1] }] },
        { "file": "C:\\trail\\b\\3.jpg", "detections": [{ "category": "1", "conf": 0.6, "bbox": [0, 0, 1, 1] }] },
        { "file": "C:\\trail\\b\\4.jpg", "detections": null, "failure": "unreadable" }
    ] }"#;

#[test]
fn an_event_is_what_the_pictures_say_that_show_something() {
    let against = read(ANSWERS).unwrap();
    let scored = |paths: &[&str]| {
        let paths: Vec<&Path> = paths.iter().map(Path::new).collect();
        against.scored(&paths, "fox")
    };
    let fox = scored(&["a/1.jpg", "a/2.jpg"]).unwrap();
    assert_eq!((&*fox.answer, fox.rejected), ("red fox", false));
    assert!((fox.probabilities.values().sum::<f64>() - 1.0).abs() < 1e-6, "{fox:?}");
    assert_eq!(scored(&["a/2.jpg"]).unwrap().answer, "blank");
    assert_eq!(scored(&["b/1.jpg"]).unwrap().answer, "human");
    assert!(scored(&["b/3.jpg"]).unwrap().rejected, "an animal without a name is no answer");
    assert!(scored(&["1.jpg"]).is_none(), "two pictures end so");
    assert!(scored(&["b/4.jpg"]).is_none() && !against.knows(Path::new("b/4.jpg")));
}

#[test]
fn what_is_not_in_that_format_is_refused_in_a_sentence() {
    let said = |text: &str| read(text).unwrap_err().to_string();
    assert!(said("[1, 2]").contains("must be MegaDetector's batch format"));
    assert!(said("{}").contains("missing field `images`"));
    let unknown = said(&ANSWERS.replace("\"8\": \"deer\"", "\"9\": \"deer\""));
    assert!(unknown.contains("1.jpg: class \"8\" is none of `classification_categories`"), "{unknown}");
    let sure = said(&ANSWERS.replace("\"conf\": 0.7", "\"conf\": 70"));
    assert!(sure.contains("b\\1.jpg: a `conf` of 70, where 0 to 1 belongs"), "{sure}");
    let none = Against::read(Path::new("/nowhere/answers.json")).unwrap_err().to_string();
    assert!(none.starts_with("/nowhere/answers.json: "), "{none}");
}
