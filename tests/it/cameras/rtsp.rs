//! RTSP cameras: real servers on loopback that log in, encrypt, fall silent and go away.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::gst_rtsp::RTSPAuthMethod;
use gstreamer_rtsp_server::prelude::*;

/// What moves, in front of an encoder; `tap` is where it can fall silent.
pub(super) const MOVING: &str = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! \
     identity name=tap";
pub(super) const H264: &str =
    "x264enc tune=zerolatency speed-preset=ultrafast bitrate=500 key-int-max=10 threads=1 ! rtph264pay name=pay0 pt=96";

#[derive(Default)]
pub(super) struct Options {
    /// 0: a free one.
    pub(super) port: u16,
    /// How to log in, as whom.
    pub(super) login: Option<(RTSPAuthMethod, &'static str, &'static str)>,
    pub(super) certificate: Option<gio::TlsCertificate>,
    /// What tells the time in sender reports; else the system's clock does.
    pub(super) clock: Option<gst::Clock>,
}

pub(super) struct Server {
    server: rtsp::RTSPServer,
    source: glib::Source,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
    is_silent: Arc<AtomicBool>,
    n_setups: Arc<AtomicUsize>,
    clock: Option<gst::Clock>,
    scheme: &'static str,
    pub(super) port: u16,
}

impl Server {
    pub(super) fn start(options: Options) -> Server {
        gst::init().unwrap();
        let server = rtsp::RTSPServer::new();
        server.set_address(&Ipv4Addr::LOCALHOST.to_string());
        server.set_service(&options.port.to_string());
        let scheme = if options.certificate.is_some() { "rtsps" } else { "rtsp" };
        if options.login.is_some() || options.certificate.is_some() {
            server.set_auth(Some(&auth(&options)));
        }
        let context = glib::MainContext::new();
        let source = server.create_source(gio::Cancellable::NONE).unwrap();
        source.attach(Some(&context));
        let port = u16::try_from(server.bound_port()).unwrap();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let running = main_loop.clone();
        let thread = thread::spawn(move || running.context().with_thread_default(|| running.run()).unwrap());
        let n_setups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&n_setups);
        server.connect_client_connected(move |_, client| {
            let counted = Arc::clone(&counted);
            client.connect_setup_request(move |_, _| {
                counted.fetch_add(1, Ordering::Relaxed);
            });
        });
        Server {
            server,
            source,
            main_loop,
            thread: Some(thread),
            is_silent: Arc::default(),
            n_setups,
            clock: options.clock,
            scheme,
            port,
        }
    }

    /// Shows a pipeline at `/name`; its URI.
    pub(super) fn mount(&self, name: &str, pipeline: &str) -> String {
        let factory = rtsp::RTSPMediaFactory::new();
        factory.set_launch(&format!("( {pipeline} )"));
        factory.set_shared(true);
        let role = gst::Structure::builder("watcher")
            .field("media.factory.access", true)
            .field("media.factory.construct", true)
            .build();
        factory.add_role_from_structure(&role);
        if let Some(clock) = &self.clock {
            factory.set_clock(Some(clock));
        }
        let (is_silent, own_clock) = (Arc::clone(&self.is_silent), self.clock.is_some());
        factory.connect_media_configure(move |_, media| {
            let tap = media.element().downcast::<gst::Bin>().ok().and_then(|it| it.by_name("tap"));
            if let Some(pad) = tap.and_then(|it| it.static_pad("src")) {
                let is_silent = Arc::clone(&is_silent);
                pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                    let silent = is_silent.load(Ordering::Relaxed);
                    if silent { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
                });
            }
            if own_clock {
                media.connect_prepared(tell_the_clocks_time);
            }
        });
        self.server.mount_points().unwrap().add_factory(&format!("/{name}"), factory);
        format!("{}://127.0.0.1:{}/{name}", self.scheme, self.port)
    }

    /// Connections stay, and nothing comes any more; or it comes again.
    pub(super) fn be_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }

    /// Streams that were asked for so far.
    pub(super) fn n_setups(&self) -> usize {
        self.n_setups.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let (done, over) = mpsc::channel();
        let (server, source) = (self.server.clone(), self.source.clone());
        self.main_loop.context().invoke(move || {
            server.client_filter(Some(&mut |_, client| {
                client.close();
                rtsp::RTSPFilterResult::Remove
            }));
            source.destroy();
            let _ = done.send(());
        });
        let _ = over.recv();
        self.main_loop.quit();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn auth(options: &Options) -> rtsp::RTSPAuth {
    let auth = rtsp::RTSPAuth::new();
    let mut token = rtsp::RTSPToken::builder().field("media.factory.role", "watcher").build();
    match options.login {
        Some((method, user, password)) => {
            auth.set_supported_methods(method);
            if method == RTSPAuthMethod::Digest {
                auth.add_digest(user, password, &token);
            } else {
                auth.add_basic(&rtsp::RTSPAuth::make_basic(user, password), &token);
            }
        }
        None => auth.set_default_token(Some(&mut token)),
    }
    auth.set_tls_certificate(options.certificate.as_ref());
    auth
}

/// Sender reports carry what the pipeline's clock says, as it is.
fn tell_the_clocks_time(media: &rtsp::RTSPMedia) {
    let mut top = media.element().upcast::<gst::Object>();
    while let Some(parent) = top.parent() {
        top = parent;
    }
    let pipeline = top.downcast::<gst::Bin>().unwrap();
    let mut bins = pipeline.iterate_all_by_element_factory_name("rtpbin");
    while let Ok(Some(bin)) = bins.next() {
        bin.set_property_from_str("ntp-time-source", "clock-time");
    }
}
