//! Where frames enter: each one that the pipeline decoded is counted, stamped, thinned to the analysis rate, sent on.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded, select};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use jiff::{SignedDuration, Timestamp};

use crate::capture::picture::Picture;
use crate::capture::source::Pace;
use crate::capture::timeline::{MAX_AGE, Rate, Timeline};
use crate::clock::Clock;
use crate::domain::{CameraName, Frame};
use crate::metrics::{CameraMetrics, Dropped, Failed, Gated};

/// What a camera's own clock may differ from ours by, to be believed: the events of one that says 2040 would be the latest for years.
const MAX_OFFSET: Duration = Duration::from_hours(24);

/// Nothing is ever sent on it: it closes (its sender is dropped) when the daemon ends. Cheap to clone.
pub type Stop = Receiver<Infallible>;

/// Where a camera's frames go. It holds the receiving end too, to take out the oldest frame of a full queue.
#[derive(Debug)]
pub struct FrameSender {
    frames: Sender<Frame>,
    oldest: Receiver<Frame>,
}

/// A camera's way to its gate, for `capacity` frames. The receiver closes once the camera is over and the queue empty.
pub fn frame_channel(capacity: usize) -> (FrameSender, Receiver<Frame>) {
    let (sender, receiver) = bounded(capacity.max(1));
    (FrameSender { frames: sender, oldest: receiver.clone() }, receiver)
}

impl FrameSender {
    /// Live: a new frame is worth more than an old one.
    fn send_newest(&self, mut frame: Frame) {
        while let Err(TrySendError::Full(back)) = self.frames.try_send(frame) {
            frame = back;
            match self.oldest.try_recv() {
                Ok(old) => old.fate.dropped(Dropped::QueueFull),
                // The gate was quicker.
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }

    /// Finite: waits until there is room, and gives up only when the daemon ends (the frame's fate says so by itself).
    fn send_all(&self, frame: Frame, stop: &Stop) {
        select! {
            send(self.frames, frame) -> _ => {}
            recv(stop) -> _ => {}
        }
    }
}

/// What the streaming thread lets others see, without a lock.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Frames of this camera so far.
    frames: AtomicU64,
    /// Arrival of the last frame, ms since `Intake` was made.
    last_ms: AtomicU64,
    /// A frame is being paced or waits for room: no frame can come, and that is no stall.
    busy: AtomicBool,
    /// Width << 32 | height, px; 0 before the first frame.
    size: AtomicU64,
    /// Frames a second × 1000.
    milli_fps: AtomicU64,
    /// The camera's clock less stream time, ns, as `i64`; 0 is unknown.
    camera_clock: AtomicU64,
}

impl Pulse {
    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Acquire)
    }

    /// When the last frame came, since the intake was made; `None` while one is being handed on.
    pub fn last(&self) -> Option<Duration> {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Acquire));
        (!self.busy.load(Ordering::Acquire)).then_some(last)
    }

    /// Width and height in px of the last frame.
    pub fn size(&self) -> Option<(u32, u32)> {
        let size = self.size.load(Ordering::Relaxed);
        (size > 0).then_some(((size >> 32) as u32, size as u32))
    }

    /// Frames a second that arrive.
    pub fn fps(&self) -> f64 {
        self.milli_fps.load(Ordering::Relaxed) as f64 / 1000.0
    }

    /// Notes what the camera's own clock (Unix time, ns) said for a frame with this running time.
    pub fn set_camera_clock(&self, unix_ns: i64, running: gst::ClockTime) {
        let offset = unix_ns.saturating_sub_unsigned(running.nseconds());
        self.camera_clock.store(offset as u64, Ordering::Relaxed);
    }

    /// The camera's clock is not known, or not to be believed.
    pub fn forget_camera_clock(&self) {
        self.camera_clock.store(0, Ordering::Relaxed);
    }

    fn camera_time(&self, running: gst::ClockTime) -> Option<Timestamp> {
        let offset = self.camera_clock.load(Ordering::Relaxed) as i64;
        let ns = i128::from(offset) + i128::from(running.nseconds());
        (offset != 0).then(|| Timestamp::from_nanosecond(ns).ok()).flatten()
    }
}

/// One camera's intake; it lives as long as the camera, over all of its pipelines.
pub struct Intake {
    camera: CameraName,
    frames: FrameSender,
    metrics: Arc<CameraMetrics>,
    clock: Arc<dyn Clock>,
    stop: Stop,
    pulse: Arc<Pulse>,
    born: Instant,
    live: bool,
    pace: Pace,
    number: u64,
    n_tries: u64,
    time: Timeline,
    rate: Rate,
    /// Of files: the wall clock and our time at stream time 0.
    zero: Option<(Timestamp, Instant)>,
    caps: Option<(gst::Caps, Option<gst_video::VideoInfo>)>,
    fps: (Instant, u64),
}

impl Intake {
    /// Of one camera; `live` sources drop the oldest frame of a full queue, others wait.
    #[expect(clippy::too_many_arguments, reason = "each is another part of the daemon, and there is one caller")]
    pub fn new(
        camera: CameraName,
        analysis_fps: f64,
        live: bool,
        pace: Pace,
        frames: FrameSender,
        metrics: Arc<CameraMetrics>,
        clock: Arc<dyn Clock>,
        stop: Stop,
        pulse: Arc<Pulse>,
    ) -> Intake {
        Intake {
            camera,
            frames,
            metrics,
            clock,
            stop,
            pulse,
            born: Instant::now(),
            live,
            pace,
            number: 0,
            n_tries: 0,
            time: Timeline::default(),
            rate: Rate::new(analysis_fps),
            zero: None,
            caps: None,
            fps: (Instant::now(), 0),
        }
    }

    /// Time on the scale of [`Pulse::last`].
    pub fn now(&self) -> Duration {
        self.born.elapsed()
    }

    /// A new pipeline begins: caps and clocks of the old one mean nothing any more. Its number is what it is known by.
    pub fn begin(&mut self) -> u64 {
        self.n_tries += 1;
        self.caps = None;
        self.time.begin_again();
        self.pulse.forget_camera_clock();
        self.metrics.clock_offset.set(0.0);
        self.pulse.last_ms.store(self.born.elapsed().as_millis() as u64, Ordering::Release);
        self.fps = (Instant::now(), self.number);
        self.n_tries
    }

    /// Whether this is the pipeline that began last.
    pub fn is_of(&self, number: u64) -> bool {
        self.n_tries == number
    }

    /// Takes one decoded frame, on the streaming thread. Cheap unless the frame is one to look at.
    pub fn take(&mut self, sink: &gst_app::AppSink, sample: &gst::Sample) {
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) else { return };
        let fate = self.metrics.receive();
        let number = self.number;
        self.number += 1;
        if buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            self.metrics.decode_errors.inc();
        }
        let info = self.info(caps);
        let now = self.clock.now();
        self.metrics.last_frame.set(now.as_nanosecond() as f64 / 1e9);
        self.beat();

        let running = sample
            .segment()
            .and_then(|it| it.downcast_ref::<gst::ClockTime>())
            .and_then(|it| it.to_running_time(buffer.pts()?));
        let (elapsed, at) = if self.live {
            let age = running.and_then(|it| sink.current_running_time()?.checked_sub(it)).map(Duration::from);
            let age = age.filter(|it| *it <= MAX_AGE);
            let elapsed = self.time.live(self.clock.elapsed(), age);
            let ours = minus(now, age.unwrap_or_default());
            let theirs = running.and_then(|it| self.pulse.camera_time(it));
            if let Some(theirs) = theirs {
                self.metrics.clock_offset.set(theirs.duration_since(ours).as_secs_f64());
            }
            let theirs = theirs.filter(|it| it.duration_since(ours).unsigned_abs() <= MAX_OFFSET);
            (elapsed, theirs.unwrap_or(ours))
        } else {
            let nominal = info.as_ref().and_then(|it| {
                let fps = it.fps();
                (fps.numer() > 0).then(|| Duration::from_secs_f64(f64::from(fps.denom()) / f64::from(fps.numer())))
            });
            let elapsed = self.time.file(running.map(Duration::from), nominal);
            let (zero, started) = *self.zero.get_or_insert((now, Instant::now()));
            if self.pace == Pace::RealTime {
                self.wait_until(started + elapsed);
            }
            (elapsed, zero.checked_add(signed(elapsed)).unwrap_or(now))
        };
        if !self.rate.takes(elapsed) {
            return fate.gated(Gated::Rate);
        }
        let picture = match info.as_ref().map(|it| Picture::decoded(buffer, it)) {
            Some(Ok(picture)) => picture,
            Some(Err(error)) => {
                tracing::debug!(camera = %self.camera, %error, "a frame cannot be read");
                return fate.failed(Failed::Picture);
            }
            None => return fate.failed(Failed::Picture),
        };
        let frame = Frame { camera: Arc::clone(&self.camera), number, at, elapsed, picture, fate };
        if self.live {
            self.frames.send_newest(frame);
        } else {
            self.busy(|it| it.frames.send_all(frame, &it.stop));
        }
    }

    /// Files at real time: a frame goes on when its time has come, or the daemon ends.
    fn wait_until(&self, due: Instant) {
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            self.busy(|it| match it.stop.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                Ok(never) => match never {},
            });
        }
    }

    fn busy(&self, wait: impl FnOnce(&Self)) {
        self.pulse.busy.store(true, Ordering::Release);
        wait(self);
        self.pulse.last_ms.store(self.born.elapsed().as_millis() as u64, Ordering::Release);
        self.pulse.busy.store(false, Ordering::Release);
    }

    /// The layout of the pixels; read anew where the caps changed in mid-stream.
    fn info(&mut self, caps: &gst::CapsRef) -> Option<gst_video::VideoInfo> {
        if let Some((known, info)) = &self.caps
            && (std::ptr::eq(&**known, caps) || **known == *caps)
        {
            return info.clone();
        }
        let info = gst_video::VideoInfo::from_caps(caps).ok();
        if let Some(info) = &info {
            let size = u64::from(info.width()) << 32 | u64::from(info.height());
            self.pulse.size.store(size, Ordering::Relaxed);
        }
        self.caps = Some((caps.to_owned(), info.clone()));
        info
    }

    /// Says that a frame came, and measures the rate over two seconds.
    fn beat(&mut self) {
        self.pulse.last_ms.store(self.born.elapsed().as_millis() as u64, Ordering::Release);
        self.pulse.frames.store(self.number, Ordering::Release);
        let (since, from) = self.fps;
        let passed = since.elapsed();
        if passed >= Duration::from_secs(2) {
            let fps = (self.number - from) as f64 / passed.as_secs_f64();
            self.pulse.milli_fps.store((fps * 1000.0) as u64, Ordering::Relaxed);
            self.fps = (Instant::now(), self.number);
        }
    }
}

fn signed(it: Duration) -> SignedDuration {
    SignedDuration::try_from(it).unwrap_or(SignedDuration::MAX)
}

/// A clock at the edge of time is no reason to lose a frame.
fn minus(at: Timestamp, it: Duration) -> Timestamp {
    at.checked_sub(signed(it)).unwrap_or(at)
}
