//! The contract's fields: what is read from a small one, and what each wrong one is told.

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::*;
use crate::infer::tiny;

fn load_with(from: &str, to: &str) -> Result<Contract, ContractError> {
    let dir = tempfile::tempdir().unwrap();
    tiny::write(dir.path(), None);
    assert!(tiny::CONTRACT.contains(from), "{from}");
    fs::write(dir.path().join("tiny.toml"), tiny::CONTRACT.replacen(from, to, 1)).unwrap();
    Contract::load(dir.path(), "tiny")
}

#[test]
fn every_refusal_names_the_contract_and_the_field() {
    for (from, to, field) in [
        ("width = 6", "width = 0", "input.width"),
        ("width = 6", "width = \"six\"", "input.width"),
        ("width = 6\n", "", "input.width"),
        ("width = 6", "widht = 6", "input.widht"),
        ("layout = \"nhwc\"", "layout = \"chwn\"", "input.layout"),
        ("mean = [0.0, 10.0, 20.0]", "mean = [0.0]", "input.mean"),
        ("mean = [0.0, 10.0, 20.0]", "mean = [0.0, nan, 0.0]", "input.mean"),
        ("std = [1.0, 2.0, 4.0]", "std = [1.0, 0.0, 4.0]", "input.std"),
        ("dimension = 3", "dimension = -3", "featurizer.dimension"),
        ("dimension = 3", "dimension = 0", "featurizer.dimension"),
        ("name = \"tiny\"", "name = \"other\"", "featurizer.name"),
        ("file = \"tiny.onnx\"", "file = \"none.onnx\"", "featurizer.file"),
        ("sha256 = \"\"", "sha256 = \"abc\"", "featurizer.sha256"),
        ("weights_sha256 = \"00", "weights_sha256 = \"", "featurizer.weights_sha256"),
        ("features = \"vector\"", "features = \" \"", "outputs.features"),
        ("classes = \"\"", "classes = \"classes.csv\"", "outputs.classes"),
        ("[outputs]", "[output]", "output"),
        ("[outputs]", "[input.more]", "input"),
    ] {
        let error = load_with(from, to).unwrap_err().to_string();
        let (path, rest) = error.split_once(": ").unwrap();
        assert!(path.ends_with("/tiny.toml"), "{error}");
        assert!(rest.split(": ").next().unwrap().starts_with(field), "{to:?} should name {field}: {error}");
    }
    let error = load_with("width = 6", "width = = 6").unwrap_err().to_string();
    assert!(error.contains("tiny.toml: "), "{error}");
    let error = Contract::load(Path::new("models"), "no-such-network").unwrap_err().to_string();
    assert!(error.starts_with("models/no-such-network.toml: No such file"), "{error}");
}

#[test]
fn a_file_of_another_hash_is_refused() {
    let wrong = "ab".repeat(32);
    let error = load_with("sha256 = \"\"", &format!("sha256 = \"{wrong}\"")).unwrap_err().to_string();
    assert!(error.contains("featurizer.file: ") && error.contains(&wrong), "{error}");
}

#[test]
fn identity_is_that_of_what_makes_the_features() {
    let tiny = load_with("width = 6", "width = 6").unwrap().identity();
    // Spelled out, so that a change that would orphan every stored embedding does not pass unseen.
    assert_eq!(tiny, "c3c1eb5570be009b");
    for (from, to) in [
        ("mean = [0.0, 10.0", "mean = [0.5, 10.0"),
        ("std = [1.0", "std = [1.5"),
        ("width = 6", "width = 8"),
        ("colour = \"bgr\"", "colour = \"rgb\""),
        ("resize = \"stretch\"", "resize = \"letterbox\""),
        ("precision = \"fp32\"", "precision = \"int8\""),
        ("cut = \"all of it\"", "cut = \"half of it\""),
        ("00aa\"", "00ab\""),
        ("ranges_sha256 = \"\"", &format!("ranges_sha256 = \"{}\"", "cd".repeat(32))),
    ] {
        assert_ne!(load_with(from, to).unwrap().identity(), tiny, "{to}");
    }
    for (from, to) in [("licence = \"CC0-1.0\"", "licence = \"MIT\""), ("source = \"this test\"", "source = \"\"")] {
        assert_eq!(load_with(from, to).unwrap().identity(), tiny, "{to}");
    }
}

#[test]
fn the_shipped_contracts_load_with_their_classes() {
    let dir = tiny::models_dir();
    let [fp32, int8] = ["efficientnet-lite0", "efficientnet-lite0-int8"].map(|it| Contract::load(&dir, it).unwrap());
    assert_eq!((fp32.classes.len(), int8.featurizer.dimension), (1000, 1280));
    assert_ne!(fp32.identity(), int8.identity());
    let (tench, last) = (&int8.classes[0], &int8.classes[999]);
    assert_eq!((tench.animal, &*tench.scientific_name, &*tench.rank), (true, "Tinca tinca", "species"));
    assert!(!last.animal, "{last:?}");
    let people: Vec<&str> = int8.people.iter().map(|it| &*int8.classes[*it].label).collect();
    assert!(people.len() > 100 && people.contains(&"backpack") && people.contains(&"pickup"), "{people:?}");
    assert!(int8.people.iter().all(|it| !int8.classes[*it].animal), "{people:?}");
}

#[test]
fn a_list_of_what_people_wear_names_labels_of_the_classes() {
    let dir = tempfile::tempdir().unwrap();
    tiny::write(dir.path(), None);
    let outputs = "logits = \"x\"\nclasses = \"c.csv\"\npeople = \"people.txt\"";
    let contract = tiny::CONTRACT.replace("logits = \"\"\nclasses = \"\"", outputs);
    fs::write(dir.path().join("tiny.toml"), contract).unwrap();
    let classes = "index,label,animal,common_name,scientific_name,rank\n0,fox,1,fox,,\n1,jean,0,,,\n2,cab,0,,,\n";
    fs::write(dir.path().join("c.csv"), classes).unwrap();
    let load = |list: &str| {
        fs::write(dir.path().join("people.txt"), list).unwrap();
        Contract::load(dir.path(), "tiny")
    };
    assert_eq!(load("# worn\njean\n\n# driven\ncab\n").unwrap().people, [1, 2]);
    let error = load("# worn\njeans\n").unwrap_err().to_string();
    assert!(error.contains("outputs.people: ") && error.contains("line 2: \"jeans\" is no label"), "{error}");
    fs::remove_file(dir.path().join("people.txt")).unwrap();
    assert!(Contract::load(dir.path(), "tiny").unwrap_err().to_string().contains("outputs.people: "));
}

#[test]
fn a_last_layer_is_of_the_features_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    tiny::write(dir.path(), None);
    let outputs = "logits = \"\"\nclasses = \"\"\nclassifier = \"last.safetensors\"";
    fs::write(dir.path().join("tiny.toml"), tiny::CONTRACT.replace("logits = \"\"\nclasses = \"\"", outputs)).unwrap();
    let load = || Contract::load(dir.path(), "tiny");
    let error = load().unwrap_err().to_string();
    assert!(error.contains("outputs.classifier: ") && error.contains("`make setup` makes it"), "{error}");
    let write = |dimension: usize| {
        let (weight, bias) = (vec![0u8; 2 * 2 * dimension], vec![0u8; 4 * 2]);
        let weight = TensorView::new(Dtype::F16, vec![2, dimension], &weight).unwrap();
        let bias = TensorView::new(Dtype::F32, vec![2], &bias).unwrap();
        let bytes = safetensors::serialize([("weight", weight), ("bias", bias)], None).unwrap();
        fs::write(dir.path().join("last.safetensors"), bytes).unwrap();
    };
    write(7);
    let error = load().unwrap_err().to_string();
    assert!(error.contains("is for 7 features, featurizer.dimension is"), "{error}");
    let dimension = load_with("width = 6", "width = 6").unwrap().featurizer.dimension;
    write(dimension);
    assert_eq!(load().unwrap().classifier.unwrap().n_classes(), 2);
    fs::write(dir.path().join("last.safetensors"), "nothing of the kind").unwrap();
    assert!(load().unwrap_err().to_string().contains("outputs.classifier: "));
}

#[test]
fn a_classes_file_is_read_row_by_row() {
    let dir = tempfile::tempdir().unwrap();
    tiny::write(dir.path(), None);
    let contract =
        tiny::CONTRACT.replace("logits = \"\"", "logits = \"x\"").replace("classes = \"\"", "classes = \"c.csv\"");
    fs::write(dir.path().join("tiny.toml"), contract).unwrap();
    let header = "index,label,animal,common_name,scientific_name,rank\n";
    for (text, why) in [
        ("index,label\n", "line 1: the header must be"),
        (header, "has no rows"),
        (&format!("{header}0,fox,1,fox\n"), "line 2: must have 6 cells"),
        (&format!("{header}0,fox,1,fox,Vulpes,genus\n2,cup,0,,,\n"), "line 3: index must be 1"),
        (&format!("{header}0,fox,yes,fox,Vulpes,genus\n"), "line 2: animal must be 0 or 1"),
        (&format!("{header}0,fox,1,,Vulpes,genus\n"), "line 2: an animal needs a common_name"),
    ] {
        fs::write(dir.path().join("c.csv"), text).unwrap();
        let error = Contract::load(dir.path(), "tiny").unwrap_err().to_string();
        assert!(error.contains("tiny.toml: outputs.classes: ") && error.contains(why), "{error}");
    }
}
