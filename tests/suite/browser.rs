//! A headless Chromium, driven over its DevTools protocol.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// How long anything may take that a page does.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    next: u64,
    /// What went wrong on pages since it was last asked for.
    complaints: Vec<String>,
    /// Hosts that pages may ask.
    host: String,
    loaded: bool,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// For pages of `host` alone.
    pub fn start(host: &str) -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut child = Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-extensions",
                "--disable-sync",
                "--disable-component-update",
                "--disable-background-networking",
                "--remote-debugging-port=0",
                "--force-color-profile=srgb",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("chromium is there: 'make test' installs it");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let address = lines
            .find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned))
            .expect("chromium says where it listens");
        // It says more, which nobody reads; but it must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let port = address.trim_start_matches("ws://").split('/').next().expect("an address");
        let stream = TcpStream::connect(port).expect("chromium listens");
        let (socket, _) = tungstenite::client(address.as_str(), stream).expect("it speaks WebSocket");
        let (next, complaints, loaded) = (0, Vec::new(), false);
        let host = host.to_owned();
        let mut browser =
            Browser { child, socket, session: None, next, complaints, host, loaded, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log", "DOM"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.call("Network.setCacheDisabled", json!({ "cacheDisabled": true }));
        browser
    }

    /// Sends a command and waits for its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            command["sessionId"] = session.clone().into();
        }
        self.socket.send(Message::text(command.to_string())).expect("chromium is there");
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "{method} was not answered");
            let message = self.read();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    fn read(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().expect("chromium is there") {
                let message: Value = serde_json::from_str(text.as_str()).expect("JSON");
                self.note(&message);
                return message;
            }
        }
    }

    /// Keeps what tests ask for later.
    fn note(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                self.complaints
                    .push(format!("exception: {} {}", details["text"], details["exception"]["description"]));
            }
            "Runtime.consoleAPICalled"
                if matches!(params["type"].as_str(), Some("error" | "assert" | "warning")) =>
            {
                self.complaints.push(format!("console: {}", params["args"]));
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                self.complaints.push(format!("log: {} {}", params["entry"]["text"], params["entry"]["url"]));
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                let own = url.starts_with(&self.host);
                let inner = ["blob:", "data:", "about:"].iter().any(|scheme| url.starts_with(scheme));
                if !own && !inner {
                    self.complaints.push(format!("request to another host: {url}"));
                }
            }
            "Page.loadEventFired" => self.loaded = true,
            _ => {}
        }
    }

    /// Fails if a page complained, or asked another host, since the last time.
    pub fn no_complaints(&mut self) {
        // What is on its way is told before the answer to this.
        self.eval("1");
        assert!(self.complaints.is_empty(), "{:#?}", std::mem::take(&mut self.complaints));
    }

    pub fn open(&mut self, path: &str) {
        self.loaded = false;
        let url = format!("{}{path}", self.host);
        self.call("Page.navigate", json!({ "url": url }));
        self.until_loaded();
    }

    fn until_loaded(&mut self) {
        let began = Instant::now();
        while !self.loaded {
            assert!(began.elapsed() < PATIENCE, "the page does not load");
            self.read();
        }
    }

    /// The value of an expression on the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", asked);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true, over as many pages as it takes.
    pub fn wait(&mut self, expression: &str) {
        let began = Instant::now();
        loop {
            let asked = json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
            let result = self.call("Runtime.evaluate", asked);
            if result["result"]["value"] == true {
                return;
            }
            if began.elapsed() > PATIENCE {
                let page = self.eval("location.href + '\\n' + document.body.innerText");
                panic!("never true: {expression}\n{page}");
            }
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    pub fn text(&mut self) -> String {
        self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    pub fn click(&mut self, selector: &str) {
        let selector = json!(selector);
        self.wait(&format!("document.querySelector({selector})"));
        self.eval(&format!("document.querySelector({selector}).click()"));
    }

    /// Gives the file at `path` to a field.
    pub fn choose(&mut self, selector: &str, path: &Path) {
        let document = self.call("DOM.getDocument", json!({}));
        let found = self
            .call("DOM.querySelector", json!({ "nodeId": document["root"]["nodeId"], "selector": selector }));
        let files = json!({ "files": [path], "nodeId": found["nodeId"] });
        self.call("DOM.setFileInputFiles", files);
    }

    /// Presses a key by its name, or types a letter.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            " " => (32, " "),
            "ArrowRight" => (39, ""),
            other => (i64::from(other.as_bytes()[0].to_ascii_uppercase()), other),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Tabs until the element with the focus matches `selector`.
    pub fn tab_to(&mut self, selector: &str) {
        let matches = format!("document.activeElement?.matches({})", json!(selector));
        for _ in 0..60 {
            if self.eval(&matches) == true {
                let outlined = "(() => { const e = document.activeElement; \
                                const seen = (x) => x && getComputedStyle(x).outlineStyle !== 'none'; \
                                return seen(e) || seen(e.closest('.drop')); })()";
                assert_eq!(self.eval(outlined), true, "the focus is seen on {selector}");
                return;
            }
            self.press("Tab");
        }
        panic!("no number of tabs leads to {selector}");
    }

    /// Shows pages on a screen of `width` pixels, by day or by night.
    pub fn screen(&mut self, width: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// The whole page as a PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        // Pictures that load when they are seen are seen now.
        self.eval("document.querySelectorAll('img[loading]').forEach((img) => { img.loading = 'eager'; })");
        self.wait(
            "[...document.images].every((img) => img.hidden || !img.getAttribute('src') || img.complete)",
        );
        let shot =
            self.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64")
    }

    /// The page on four screens in target/screenshots, each without fault by axe-core's rules and none too narrow for it.
    pub fn inspect(&mut self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("writable");
        for (width, dark) in [(1440, false), (1440, true), (390, false), (390, true)] {
            self.screen(width, dark);
            let fits =
                self.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth");
            let shade = if dark { "dark" } else { "light" };
            let shot = self.picture();
            std::fs::write(folder.join(format!("{name}-{width}-{shade}.png")), shot).expect("writable");
            assert_eq!(fits, true, "{name} is wider than {width} pixels");
            self.axe(name, width, shade);
        }
        self.screen(1440, false);
    }

    /// The upper part of the page for the README, as target/screenshots/page-NAME.png: small enough for a repository.
    pub fn plate(&mut self, name: &str, height: u32) {
        self.screen(1200, false);
        self.picture();
        let clip = json!({ "x": 0, "y": 0, "width": 1200, "height": height, "scale": 0.5 });
        let asked = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.call("Page.captureScreenshot", asked);
        let shot = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        assert!(shot.len() <= 300 << 10, "{name} has {} bytes", shot.len());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::write(path.join(format!("page-{name}.png")), shot).expect("writable");
        self.screen(1440, false);
    }

    fn axe(&mut self, name: &str, width: u32, shade: &str) {
        if self.eval("typeof axe") == "undefined" {
            let script =
                std::fs::read_to_string(axe_core()).expect("axe-core is there: 'make test' fetches it");
            // Nothing of its value can be sent back.
            self.eval(&format!("{script}; true"));
        }
        let tags = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']";
        let run = format!(
            "axe.run(document, {{ runOnly: {tags} }}).then((found) => found.violations.map((v) => \
             `${{v.id}}: ${{v.help}}: ${{v.nodes.slice(0, 3).map((n) => n.html + ' ' + n.failureSummary).join(' | ')}}`))"
        );
        let found = self.eval(&run);
        assert_eq!(found, json!([]), "{name} at {width} pixels, {shade}: {found:#}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn axe_core() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe-core/axe_playwright_python/axe.min.js")
}
