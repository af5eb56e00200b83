//! A real Chromium, driven by its own protocol over a pipe: no driver, and no port that another test may have.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// For any answer of the browser, and any page to load.
const PATIENCE: Duration = Duration::from_secs(30);
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const SHIFT: u32 = 8;

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    n_calls: u64,
    _profile: TempDir,
}

impl Browser {
    /// Starts it; none where none is installed, which is said.
    pub(crate) fn start() -> Option<Browser> {
        let on_path = |it: &&&str| {
            let paths = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&paths).any(|path| path.join(it).is_file())
        };
        let Some(program) = PROGRAMS.iter().find(on_path) else {
            println!("skipped: no Chromium here; `make setup-tests` installs it");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // It speaks on descriptors 3 and 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null", "sh", program]);
        command.args(["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--no-sandbox"]);
        command.args(["--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, from) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    break;
                }
            }
        });
        let mut browser = Browser { child, to, from, session: String::new(), n_calls: 0, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let wanted = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", wanted);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser.call("Page.enable", json!({}));
        Some(browser)
    }

    /// Asks it for something, and waits for the answer.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.n_calls += 1;
        let mut message = json!({ "id": self.n_calls, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        let id = self.n_calls;
        let mut answer = self.hear(method, |it| it["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    fn hear(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let heard = self.from.recv_timeout(left).unwrap_or_else(|it| panic!("waiting for {what}: {it}"));
            if is_it(&heard) {
                return heard;
            }
        }
    }

    /// Loads a page.
    pub(crate) fn go(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{url}: {}", went["errorText"]);
        self.wait("the page", &format!("document.readyState === 'complete' && location.href === {}", json!(url)));
    }

    /// What a script in the page gives; a promise is waited for.
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut it = self.call("Runtime.evaluate", params);
        assert!(it["exceptionDetails"].is_null(), "{script}: {}", it["exceptionDetails"]);
        it["result"]["value"].take()
    }

    pub(crate) fn text(&mut self, script: &str) -> String {
        self.eval(script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page is whole and shown: what is pressed before that Chromium throws away.
    fn wait_until_shown(&mut self) {
        self.wait(
            "the page to be shown",
            "document.readyState === 'complete' && performance.getEntriesByType('paint').length > 0",
        );
    }

    /// Waits until a script in the page says `true`; while a page is left there is none to ask.
    pub(crate) fn wait(&mut self, what: &str, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.n_calls += 1;
            let id = self.n_calls;
            let params = json!({ "expression": script, "returnByValue": true });
            let message =
                json!({ "id": id, "method": "Runtime.evaluate", "sessionId": self.session, "params": params });
            self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
            if self.hear(what, |it| it["id"] == id)["result"]["result"]["value"] == true {
                return;
            }
            assert!(Instant::now() < deadline, "waited for {what}: {script}: {}", self.text("document.body.innerText"));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key, and lets it go.
    pub(crate) fn press(&mut self, key: &str) {
        self.press_with(key, 0);
    }

    pub(crate) fn press_shifted(&mut self, key: &str) {
        self.press_with(key, SHIFT);
    }

    fn press_with(&mut self, key: &str, modifiers: u32) {
        self.wait_until_shown();
        let (text, code): (&str, u32) = match key {
            "Enter" => ("\r", 13),
            "Tab" => ("", 9),
            "Escape" => ("", 27),
            "ArrowLeft" => ("", 37),
            "ArrowRight" => ("", 39),
            "ArrowUp" => ("", 38),
            "ArrowDown" => ("", 40),
            key => (key, u32::from(key.to_ascii_uppercase().as_bytes()[0])),
        };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        let mut down = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
        if !text.is_empty() {
            down["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Types into what has the focus.
    pub(crate) fn enter(&mut self, text: &str) {
        self.wait_until_shown();
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses with the mouse what a selector finds.
    pub(crate) fn click(&mut self, selector: &str) {
        self.click_times(selector, 1);
    }

    /// Presses it twice, as those do who learnt it elsewhere.
    pub(crate) fn double_click(&mut self, selector: &str) {
        self.click_times(selector, 2);
    }

    fn click_times(&mut self, selector: &str, n: u32) {
        self.wait_until_shown();
        let found = format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{ block: 'center' }}); \
             const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        );
        let at = self.eval(&found);
        for nth in 1..=n {
            for kind in ["mousePressed", "mouseReleased"] {
                let params = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": nth });
                self.call("Input.dispatchMouseEvent", params);
            }
        }
    }

    /// Draws with the mouse from one place to another, each in percent of what a selector finds; without a way, it clicks.
    pub(crate) fn draw(&mut self, selector: &str, way: &[[f64; 2]]) {
        self.wait_until_shown();
        let found = format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{ block: 'center' }}); \
             const box = it.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }})()",
            json!(selector)
        );
        let found = self.eval(&found);
        let of = |nth: usize| found[nth].as_f64().unwrap();
        let place = |[x, y]: [f64; 2]| (of(0) + x / 100.0 * of(2), of(1) + y / 100.0 * of(3));
        let steps = [("mousePressed", way[0])].into_iter().chain(way.iter().map(|it| ("mouseMoved", *it)));
        for (kind, at) in steps.chain([("mouseReleased", way[way.len() - 1])]) {
            let (x, y) = place(at);
            let params = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Makes its window so wide, in CSS pixels.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", params);
    }

    pub(crate) fn without_scripts(&mut self, without: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": without }));
    }

    /// As those see it who like it dark, or light.
    pub(crate) fn scheme(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// What axe-core finds in the page; nothing where it is not here, which is said.
    pub(crate) fn violations(&mut self) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/axe_playwright_python/axe.min.js");
        let Ok(axe) = std::fs::read_to_string(file) else {
            println!("skipped: no axe-core here; `make setup-tests` fetches it");
            return String::new();
        };
        self.eval(&format!("{axe}; true"));
        self.text(
            "axe.run().then((it) => it.violations.map((it) => it.id + ': ' + it.help + '\\n  '
                + it.nodes.map((it) => it.html + ' ' + it.failureSummary).join('\\n  ')).join('\\n'))",
        )
    }

    /// Takes a picture of the page, down to its end.
    pub(crate) fn picture(&mut self, file: &Path) {
        self.shoot(file, true);
    }

    /// Takes a picture of what the window shows.
    pub(crate) fn window(&mut self, file: &Path) {
        self.shoot(file, false);
    }

    fn shoot(&mut self, file: &Path, whole: bool) {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": whole }));
        std::fs::write(file, from_base64(shot["data"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |it: u8| match it {
        b'A'..=b'Z' => it - b'A',
        b'a'..=b'z' => it - b'a' + 26,
        b'0'..=b'9' => it - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|it| *it != b'=').map(digit).collect();
    let four = |it: &[u8]| it.iter().fold(0_u32, |sum, it| sum << 6 | u32::from(*it)) << (6 * (4 - it.len()));
    digits.chunks(4).flat_map(|it| four(it).to_be_bytes()[1..it.len()].to_vec()).collect()
}
