//! What is asked of it, by whom.

use super::*;

#[test]
fn a_picture_is_verified_for_programs_and_for_people_without_scripts() {
    let served = Served::new();
    let (status, head, body) = served.verify(&picture(1));
    assert_eq!(status, 200, "{}", text(&body));
    assert!(head.contains("content-type: application/json"));
    let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((&document["schema"], &document["verdict"]), (&1.into(), &"no-evidence".into()));
    let (kind, body) = form(&[], &[("picture", "<b>one.png", &picture(1))]);
    let (status, head, body) = served.send(&format!("POST /verify HTTP/1.1\r\nContent-Type: {kind}"), &body);
    let page = text(&body);
    assert_eq!((status, head.contains("content-type: text/html; charset=utf-8")), (200, true));
    assert!(
        page.contains("No evidence that this picture is AI-derived.") && page.contains("<!DOCTYPE html>")
    );
    assert!(page.contains("&lt;b&gt;one.png") && !page.contains("<b>one"), "names are words, not markup");
    let (status, _, body) = served.verify(b"no picture");
    assert_eq!(status, 422);
    assert!(text(&body).contains("not a picture that can be read"));
    assert_eq!(served.verify(b"").0, 400);
}

#[test]
fn pages_of_other_sites_learn_and_change_nothing() {
    let served = Served::new();
    let host = served.address;
    // DNS rebinding: the name is another's.
    for name in ["evil.example", "localhost.evil.example:80", "10.1.2.3"] {
        let (status, _, body) = served.raw(&format!("GET /catalog HTTP/1.1\r\nHost: {name}"), b"");
        assert_eq!(status, 421, "{name}: {}", text(&body));
    }
    let (status, ..) =
        served.raw(&format!("GET /catalog HTTP/1.1\r\nHost: {host}\r\nHost: evil.example"), b"");
    assert!(status == 400 || status == 421, "two names");
    let (status, ..) = served.raw(&format!("GET http://evil.example/catalog HTTP/1.1\r\nHost: {host}"), b"");
    assert!(status == 400 || status == 421, "the line says another name");
    assert_eq!(served.raw("GET /verify HTTP/1.1\r\nHost: localhost", b"").0, 200);
    // Cross-site requests.
    for header in [
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        for path in ["/api/verify", "/make", "/jobs/x/cancel", "/jobs/x/again", "/login"] {
            let (status, ..) = served.send(&format!("POST {path} HTTP/1.1\r\n{header}"), b"x");
            assert_eq!(status, 403, "{path} with {header}");
        }
    }
    let own = format!("POST /api/verify HTTP/1.1\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin");
    assert_eq!(served.send(&own, &picture(1)).0, 200);
    let port = format!("POST /api/verify HTTP/1.1\r\nOrigin: http://{}:1", host.ip());
    assert_eq!(served.send(&port, &picture(1)).0, 403, "another port is another site");
}

#[test]
fn every_answer_forbids_what_pages_do_not_need() {
    let served = Served::new();
    for path in ["/verify", "/make", "/catalog", "/static/style.css", "/nowhere", "/pictures/x/small"] {
        let (_, head, _) = served.get(path);
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
        ] {
            assert!(head.contains(header), "{path}: {header}: {head}");
        }
        assert!(!head.contains("unsafe-inline") && !head.contains("unsafe-eval"));
    }
    for path in ["/verify", "/make", "/catalog"] {
        let page = text(&served.get(path).2);
        assert!(
            !page.contains("style=\"") && !page.contains("<style") && !page.contains(" onclick="),
            "{path}"
        );
        let scripts = page.matches("<script").count();
        assert_eq!(page.matches("src=\"/static/").count(), scripts, "no script stands in the page: {path}");
        assert!(!page.contains("http://") && !page.contains("https://"), "{path} names no other host");
    }
}

#[test]
fn strangers_may_verify_and_resolve_and_nothing_else() {
    let token = "sixteen letters or more";
    let served = Served::with(|settings| settings.token = Some(token.into()), |_| {});
    let owned = [
        "/make",
        "/catalog",
        "/runs/x",
        "/catalog/x",
        "/jobs/x",
        "/jobs/x/events",
        "/pictures/x/file",
        "/make/limits?policy=default",
    ];
    for path in owned {
        assert_eq!(served.get(path).0, 401, "{path}");
        let (status, head, _) = served.send(&format!("GET {path} HTTP/1.1\r\nAccept: text/html"), b"");
        assert!(status == 303 && head.contains("location: /login"), "{path}");
        for wrong in
            ["Authorization: Bearer sixteen letters or mor", "Authorization: Bearer ", "Cookie: vidimus=00"]
        {
            assert_eq!(
                served.send(&format!("GET {path} HTTP/1.1\r\n{wrong}"), b"").0,
                401,
                "{path} with {wrong}"
            );
        }
    }
    assert_eq!(served.send("POST /make HTTP/1.1", b"x").0, 401);
    assert_eq!(served.get("/verify").0, 200);
    assert_eq!(served.verify(&picture(1)).0, 200);
    let bearer = format!("GET /catalog HTTP/1.1\r\nAuthorization: Bearer {token}");
    assert_eq!(served.send(&bearer, b"").0, 200);
    let login = "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
    assert_eq!(served.send(login, b"token=wrong").0, 401);
    let (status, head, _) = served.send(login, b"token=sixteen+letters+or+more");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    assert!(status == 303 && cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("its value");
    assert!(!cookie.contains("sixteen"), "the token itself is not kept");
    assert_eq!(served.send(&format!("GET /catalog HTTP/1.1\r\nCookie: a=b; {cookie}"), b"").0, 200);
    for _ in 0..12 {
        served.send(login, b"token=wrong");
    }
    assert_eq!(served.send(login, b"token=sixteen+letters+or+more").0, 429, "guessing is slow");
    assert_eq!(served.send(&bearer, b"").0, 429, "and as slow by the other way in");
    assert_eq!(served.send(&format!("GET /catalog HTTP/1.1\r\nCookie: {cookie}"), b"").0, 200);
}

#[test]
fn a_token_is_not_found_by_trying_and_who_has_it_is_not_slowed() {
    let token = "sixteen letters or more";
    let served = Served::with(|settings| settings.token = Some(token.into()), |_| {});
    let shown = |token: &str| {
        let head = format!("GET /catalog HTTP/1.1\r\nAuthorization: Bearer {token}");
        served.send(&head, b"").0
    };
    for _ in 0..12 {
        assert_eq!(shown(token), 200);
    }
    let wrong: Vec<u16> = (0..20).map(|n| shown(&format!("sixteen letters or {n}"))).collect();
    assert_eq!(wrong[..10], [401; 10]);
    assert!(wrong[10..].contains(&429), "{wrong:?}");
}

#[test]
fn a_public_server_has_verification_and_resolution_alone_and_so_much_for_each_address() {
    let served = Served::with(
        |settings| settings.verify_only = true,
        |bounds| (bounds.burst, bounds.period) = (3, Duration::from_secs(600)),
    );
    for path in ["/make", "/catalog", "/login", "/jobs/x", "/pictures/x/small", "/runs/x"] {
        assert_eq!(served.get(path).0, 404, "{path}");
    }
    assert_eq!(served.get("/verify").0, 200);
    let small = picture(1);
    for _ in 0..3 {
        assert_eq!(served.verify(&small).0, 200);
    }
    let (status, head, _) = served.verify(&small);
    assert!(status == 429 && head.contains("retry-after: "), "{head}");
    assert_eq!(
        served.send("POST /matches/byContent HTTP/1.1", &small).0,
        429,
        "the same work by another name"
    );
    for path in ["/matches/byBinding?alg=x&value=eA==", "/manifests/urn:c2pa:none"] {
        assert_eq!(served.get(path).0, 429, "{path}");
    }
    let binding = "POST /matches/byBinding HTTP/1.1\r\nContent-Type: application/json";
    assert_eq!(served.send(binding, br#"{"alg":"x","value":"eA=="}"#).0, 429);
}

#[test]
fn a_picture_that_would_fill_the_memory_is_not_decoded() {
    let served = Served::with(|_| {}, |bounds| bounds.upload.pixels = 10_000);
    let (status, _, body) = served.verify(&picture(1));
    assert_eq!(status, 422);
    assert!(text(&body).contains("256×208 pixels are over the limit of 10000"), "{}", text(&body));
}

#[test]
fn no_name_leads_out_of_the_catalog() {
    let served = Served::new();
    std::fs::write(served.home.path().join("secret.css"), "secret").expect("writable");
    for path in [
        "/static/../secret.css",
        "/static/..%2fsecret.css",
        "/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/pictures/..%2f..%2fkeys%2fsigning.key/file",
        "/pictures/..%2f..%2fkeys%2fsigning.key/small",
        "/catalog/..%2fkeys",
        "/runs/..%2f..",
        "/jobs/..%2f../reference",
        "/manifests/..%2f..%2fkeys%2fsigning.key",
        "/make/limits?policy=../keys/signing",
    ] {
        let (status, _, body) = served.get(path);
        assert!(status == 404 || status == 400, "{path}: {status}");
        assert!(!text(&body).contains("secret") && !text(&body).contains("PRIVATE"));
    }
}
