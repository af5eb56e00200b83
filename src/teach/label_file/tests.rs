//! Tables as people write them: what they mean, and what each wrong one is told.

#![allow(clippy::unwrap_used)]

use super::*;

fn read_text(text: &str) -> Result<Vec<LabelledBurst>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.csv");
    std::fs::write(&path, text).unwrap();
    let folder = format!("{}/", dir.path().display());
    read(&path, &["species".into(), "content".into()]).map_err(|it| it.to_string().replace(&folder, ""))
}

fn shape(bursts: &[LabelledBurst]) -> Vec<(String, usize)> {
    bursts.iter().map(|it| (format!("{}/{}", it.camera, it.name), it.rows.len())).collect()
}

#[test]
fn pictures_are_events_by_name_or_by_time_or_alone() {
    let named = read_text("\u{feff}path,species,camera,event\na.jpg,fox,c1,e1\nb.jpg,blank,c1,e1\nc.jpg,fox,c2,e1\n");
    assert_eq!(shape(&named.unwrap()), [("c1/e1".into(), 2), ("c2/e1".into(), 1)]);
    let timed = read_text(
        "path,species,captured_at\nb.jpg,fox,2026-03-01 10:00:50\na.jpg,fox,2026-03-01T10:00:00Z\nc.jpg,fox,2026-03-01T10:02:00Z\n",
    );
    let timed = timed.unwrap();
    let names = [("import/2026-03-01T10:00:00Z".into(), 2), ("import/2026-03-01T10:02:00Z".into(), 1)];
    assert_eq!(shape(&timed), names);
    assert_eq!(timed[0].rows[0].path, PathBuf::from("a.jpg"), "in the order of time");
    let alone = read_text("path,species,content\nx/a.jpg,fox,animal\nx/b.jpg,,blank\n").unwrap();
    assert_eq!(shape(&alone), [("import/x/a.jpg".into(), 1), ("import/x/b.jpg".into(), 1)]);
    assert_eq!(alone[1].rows[0].classes, BTreeMap::from([("content".into(), "blank".into())]));
}

/// Whoever calls people by another word must not show their pictures.
#[test]
fn names_that_mean_something_mean_it_however_they_are_written() {
    let kept = |task: &str, written: &str| class_name(task, written).unwrap();
    for (written, meant) in [
        ("Human", "human"),
        (" PERSON", "human"),
        ("People", "human"),
        ("Vehicle", "vehicle"),
        ("Blank", "blank"),
        ("empty", "blank"),
        ("Unknown", "unknown"),
        ("Red Fox", "Red Fox"),
    ] {
        assert_eq!([kept("species", written), kept("content", written)], [meant, meant]);
    }
    assert_eq!([kept("behaviour", "empty"), kept("behaviour", "Human")], ["empty", "human"]);
    let table = read_text("Path,Species,Camera\na.jpg,Person,c1\n").unwrap();
    assert_eq!(table[0].rows[0].classes["species"], "human");
}

#[test]
fn what_is_wrong_is_told_by_line_and_column() {
    for (text, said) in [
        ("path,animal\na.jpg,fox\n", "labels.csv: line 1: no column `species`"),
        (
            "path,species,weather\na.jpg,fox,dry\n",
            "line 1: unknown column `weather`: known are path, species, camera, captured_at, event, content;",
        ),
        ("path;species\na.jpg;fox\n", "line 1: the columns are separated by ';': save the table with commas"),
        ("path\tspecies\na.jpg\tfox\n", "separated by '\\t'"),
        ("path,species,species\na.jpg,fox,fox\n", "line 1: column `species` stands there twice"),
        ("path,species\na.jpg,fox\nb.jpg\n", "line 3: 1 fields, where the header has 2"),
        ("path,species\n ,fox\n", "line 2: path: is empty"),
        ("path,species\na.jpg,\n", "line 2: no label"),
        ("path,species,camera\na.jpg,fox,../x\n", "line 2: camera: \"../x\" must be"),
        ("path,species,captured_at\na.jpg,fox,yesterday\n", "line 2: captured_at: \"yesterday\" is no time"),
    ] {
        let error = read_text(text).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    assert!(read(Path::new("/nonexistent.csv"), &[]).unwrap_err().to_string().contains("no such table"));
    let mut latin = b"path,species\na.jpg,f".to_vec();
    latin.extend([0xfc, b'x', b'\n']);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("latin.csv"), latin).unwrap();
    let error = read(&dir.path().join("latin.csv"), &[]).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("UTF-8"), "{error}");
}
