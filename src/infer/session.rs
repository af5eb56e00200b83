//! Opens a contract's network and holds it to its word: names, element types, shapes.

use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, Shape, TensorElementType};

use crate::infer::contract::{Contract, ContractError, Layout};
use crate::infer::runtime::Runtime;

/// Opens the network on one thread (the caller's) and checks what it declares against the contract.
///
/// What it declares may leave sizes open: the featurizer's first run shows the rest.
pub fn open(runtime: &Runtime, contract: &Contract) -> Result<Session, ContractError> {
    checked(contract, build(runtime, contract, None))
}

/// Opens in the same way what stands in memory: a network of the contract's build.
pub fn open_bytes(runtime: &Runtime, contract: &Contract, network: &[u8]) -> Result<Session, ContractError> {
    checked(contract, build(runtime, contract, Some(network)))
}

fn checked(contract: &Contract, session: ort::Result<Session>) -> Result<Session, ContractError> {
    let session = session.map_err(|error| {
        let why =
            format!("{}: ONNX Runtime cannot load it: {error}; `make setup` makes it anew", contract.file().display());
        contract.refuse("featurizer.file", why)
    })?;
    check_input(contract, session.inputs())?;
    check_output(
        contract,
        session.outputs(),
        "outputs.features",
        &contract.outputs.features,
        Some(contract.featurizer.dimension),
    )?;
    if !contract.outputs.logits.is_empty() {
        check_output(contract, session.outputs(), "outputs.logits", &contract.outputs.logits, logits_width(contract))?;
    }
    Ok(session)
}

/// How many logits the contract promises: a row of the classes file each.
pub(crate) fn logits_width(contract: &Contract) -> Option<usize> {
    (!contract.classes.is_empty()).then_some(contract.classes.len())
}

/// A refusal where an output is not as wide as the contract says.
pub(crate) fn wrong_width(contract: &Contract, field: &str, found: usize, wanted: usize) -> ContractError {
    match field {
        "outputs.logits" => {
            contract.refuse("outputs.classes", format!("has {wanted} rows, the network gives {found} logits"))
        }
        _ => contract.refuse("featurizer.dimension", format!("is {wanted}, the network gives {found}")),
    }
}

// Apart, because ort's builder errors carry the builder and convert to nothing but ort's own.
fn build(runtime: &Runtime, contract: &Contract, network: Option<&[u8]>) -> ort::Result<Session> {
    // One thread and no spinning: the pool has a session a core, and an always-on box must not heat while nothing moves.
    let mut builder = Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_log_level(LogLevel::Warning)?;
    if lacks_vnni() && !contract.featurizer.overflow_free {
        builder = builder.with_precise_qmm()?;
    }
    match network {
        Some(network) => builder.commit_from_memory(network),
        None => builder.commit_from_file(contract.file()),
    }
}

/// Whether ONNX Runtime multiplies uint8 by int8 with x86's `vpmaddubsw`, which saturates sums of two products at 16
/// bits: an int8 network whose weights allow that is then not a little off but wrong (cosine to fp32 of .91 on average,
/// .71 at worst, instead of .99 and .97). `session.x64quantprecision` shifts the weights to uint8, whose kernels are exact.
///
/// VNNI's `vpdpbusd` is exact by itself, in 32 bits. ONNX Runtime would shift the weights there too (it asks only whether
/// its tables of the two kernels differ), for the same numbers at half the speed: so it is asked for only without VNNI.
/// There it costs a fifth, which a network that is free of overflow by its contract, as ours is, need not pay.
fn lacks_vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    return !(std::is_x86_feature_detected!("avx512vnni") || std::is_x86_feature_detected!("avxvnni"));
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn check_input(contract: &Contract, inputs: &[Outlet]) -> Result<(), ContractError> {
    let input = &contract.input;
    let names = || inputs.iter().map(Outlet::name).collect::<Vec<_>>().join(", ");
    let [outlet] = inputs else {
        return Err(contract.refuse("input.name", format!("the network must have one input, it has: {}", names())));
    };
    if outlet.name() != input.name {
        return Err(contract.refuse("input.name", format!("is {}, the network's is: {}", input.name, names())));
    }
    let shape = tensor(contract, "input.name", outlet, 4)?;
    if shape[0] >= 0 {
        let why = format!("the network takes batches of {} only: export it with a dynamic batch", shape[0]);
        return Err(contract.refuse("input.name", why));
    }
    let (channels, height, width) = match input.layout {
        Layout::Nchw => (shape[1], shape[2], shape[3]),
        Layout::Nhwc => (shape[3], shape[1], shape[2]),
    };
    let count = input.colour.count();
    let in_place = |found: i64, wanted: usize| found < 0 || usize::try_from(found) == Ok(wanted);
    if !in_place(channels, count) {
        // Three channels where the other layout has them: it is the layout that is wrong, not the colour.
        let other = if input.layout == Layout::Nchw { shape[3] } else { shape[1] };
        let field = if usize::try_from(other) == Ok(count) { "input.layout" } else { "input.colour" };
        return Err(
            contract.refuse(field, format!("the network's input is {shape}: it does not fit {count} channels there"))
        );
    }
    for (field, found, wanted) in [("input.width", width, input.width), ("input.height", height, input.height)] {
        if !in_place(found, wanted as usize) {
            return Err(contract.refuse(field, format!("is {wanted} px, the network takes {found}")));
        }
    }
    Ok(())
}

fn check_output(
    contract: &Contract,
    outputs: &[Outlet],
    field: &str,
    name: &str,
    width: Option<usize>,
) -> Result<(), ContractError> {
    let Some(outlet) = outputs.iter().find(|it| it.name() == name) else {
        let names = outputs.iter().map(Outlet::name).collect::<Vec<_>>().join(", ");
        return Err(contract.refuse(field, format!("the network has no output {name}, it has: {names}")));
    };
    let shape = tensor(contract, field, outlet, 2)?;
    match (usize::try_from(shape[1]), width) {
        (Ok(found), Some(wanted)) if found != wanted => Err(wrong_width(contract, field, found, wanted)),
        _ => Ok(()),
    }
}

fn tensor<'a>(contract: &Contract, field: &str, outlet: &'a Outlet, rank: usize) -> Result<&'a Shape, ContractError> {
    let name = outlet.name();
    if outlet.dtype().tensor_type() != Some(TensorElementType::Float32) {
        return Err(contract.refuse(field, format!("{name} must be a tensor of float32, it is {}", outlet.dtype())));
    }
    match outlet.dtype().tensor_shape() {
        Some(shape) if shape.len() == rank => Ok(shape),
        _ => Err(contract.refuse(field, format!("{name} must have {rank} dimensions, it is {}", outlet.dtype()))),
    }
}
