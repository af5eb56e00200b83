//! A camera's own clock, as its RTCP sender reports tell it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::capture::input::for_each_buffer;
use crate::capture::intake::Pulse;
use crate::domain::CameraName;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_SECS: i64 = 2_208_988_800;
/// 2025-01-01: a clock that says less was never set, as of a camera that begins at 1970 when its battery is changed.
const NEVER_BEFORE_UNIX_SECS: i64 = 1_735_689_600;
const NS: i64 = 1_000_000_000;

/// Notes what the camera's clock says for what leaves this pad of `rtspsrc`.
pub fn watch(pad: &gst::Pad, camera: &CameraName, pulse: &Arc<Pulse>) {
    let (camera, pulse, said) = (Arc::clone(camera), Arc::clone(pulse), AtomicBool::new(false));
    for_each_buffer(pad, move |pad, buffer| {
        let (Some(ntp), Some(running)) = (ntp(buffer), running(pad, buffer)) else { return };
        match unix_ns(ntp) {
            Some(unix_ns) => pulse.set_camera_clock(unix_ns, running),
            None => {
                pulse.forget_camera_clock();
                if !said.swap(true, Ordering::Relaxed) {
                    tracing::warn!(camera = &*camera, "the camera's clock is not set: arrival is taken instead");
                }
            }
        }
    });
}

fn ntp(buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    let is_ntp = |it: &gst::CapsRef| it.structure(0).is_some_and(|it| it.name() == "timestamp/x-ntp");
    let meta = buffer.iter_meta::<gst::ReferenceTimestampMeta>().find(|it| is_ntp(it.reference()))?;
    Some(meta.timestamp())
}

fn running(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    segment.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts()?)
}

/// Unix time of an NTP time stamp; none of a clock that was never set.
fn unix_ns(ntp: gst::ClockTime) -> Option<i64> {
    let unix_ns = i64::try_from(ntp.nseconds()).ok()?.checked_sub(NTP_TO_UNIX_SECS * NS)?;
    (unix_ns >= NEVER_BEFORE_UNIX_SECS * NS).then_some(unix_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ntp_of(unix_secs: i64) -> gst::ClockTime {
        gst::ClockTime::from_seconds((unix_secs + NTP_TO_UNIX_SECS) as u64)
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_believed() {
        assert_eq!(unix_ns(ntp_of(1_800_000_000)), Some(1_800_000_000 * NS));
        for never_set in [gst::ClockTime::ZERO, gst::ClockTime::from_seconds(90), ntp_of(30), ntp_of(946_684_800)] {
            assert_eq!(unix_ns(never_set), None);
        }
        assert_eq!(unix_ns(gst::ClockTime::MAX), None);
    }
}
