//! A network that is shown pictures one by one: the square in the middle of each, as whoever else measures on them cuts it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use eyeshine::capture::picture::Picture;
use eyeshine::domain::{Candidate, Frame, View};
use eyeshine::infer::classifier::Classifier;
use eyeshine::infer::contract::Contract;
use eyeshine::infer::preprocess::Inputs;
use eyeshine::infer::runtime::Runtime;
use eyeshine::infer::session;
use eyeshine::metrics::{CameraMetrics, Metrics};
use jiff::Timestamp;
use ort::session::Session;
use ort::value::TensorRef;

/// The network, and what it needs.
pub(crate) struct Network {
    contract: Contract,
    session: Session,
    inputs: Inputs,
    camera: Arc<CameraMetrics>,
}

impl Network {
    /// The one of that name.
    pub(crate) fn open(name: &str) -> anyhow::Result<Network> {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let runtime = Runtime::load(&models, Path::new("libonnxruntime.so.1.32.0"))?;
        let contract = Contract::load(&models, name)?;
        let session = session::open(&runtime, &contract)?;
        let inputs = Inputs::new(&contract.input, 1);
        Ok(Network { contract, session, inputs, camera: Metrics::new().camera("bench") })
    }

    /// Its last layer.
    pub(crate) fn classifier(&self) -> Option<Arc<Classifier>> {
        self.contract.classifier.clone()
    }

    /// Features of the square in the middle of a picture.
    pub(crate) fn features(&mut self, path: &Path) -> anyhow::Result<Vec<f32>> {
        let picture = image::open(path).with_context(|| path.display().to_string())?.to_rgb8();
        let (width, height) = picture.dimensions();
        let side = width.min(height);
        let (left, top) = ((width - side) / 2, (height - side) / 2);
        let middle = image::imageops::crop_imm(&picture, left, top, side, side).to_image();
        let frame = Arc::new(Frame {
            camera: "bench".into(),
            number: 0,
            at: Timestamp::UNIX_EPOCH,
            elapsed: Duration::ZERO,
            picture: Picture::still(middle),
            fate: self.camera.receive(),
        });
        let area = frame.picture.area();
        self.inputs.truncate(0);
        self.inputs.push(&Candidate { view: View::Whole, cell: None, area, frame })?;
        let input = TensorRef::from_array_view((self.contract.input.shape(1), self.inputs.numbers(0..1)))?;
        let outputs = self.session.run(ort::inputs![input])?;
        Ok(outputs["features"].try_extract_tensor::<f32>()?.1.to_vec())
    }
}
