// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

extension RESTBench {
    /// A page as a browser asks for it.
    func page(_ path: String, _ fields: [String: String] = [:]) async throws -> WebClient.Answer {
        try await api.send("GET \(path)", fields)
    }

    /// A form as a browser sends it.
    func post(
        _ path: String, _ form: [(String, String)], _ fields: [String: String] = [:]
    ) async throws -> WebClient.Answer {
        let body = form.map { "\(PagePath.encoded($0.0))=\(PagePath.encoded($0.1))" }.joined(separator: "&")
        let head = [
            "Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost",
            "Sec-Fetch-Site": "same-origin",
        ].merging(fields) { $1 }
        return try await api.send("POST \(path)", head, body.isEmpty ? "x=" : body)
    }

    /// A page that is read whole, without a fault.
    func read(_ path: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> MarkupCheck {
        let answer = try await page(path)
        #expect(answer.status == 200, "\(path): \(answer.body)", sourceLocation: sourceLocation)
        let check = MarkupCheck(answer.body)
        #expect(check.faults.isEmpty, "\(path): \(check.faults)", sourceLocation: sourceLocation)
        return check
    }
}

@Suite("Pages", .timeLimit(.minutes(2)))
struct PageTests {
    @Test("Every page is well formed, and every link on it and every form leads somewhere")
    func everyPage() async throws {
        let bench = try await RESTBench()
        var wanted = ["/"]
        var seen: Set<String> = ["/"]
        while let path = wanted.popLast(), seen.count < 400 {
            let answer = try await bench.page(path)
            guard answer.fields["content-type"]?.hasPrefix("text/html") == true else {
                #expect([200, 303].contains(answer.status), "\(path): \(answer)")
                continue
            }
            #expect(answer.status == 200, "\(path): \(answer.body)")
            #expect(answer.body.utf8.count < 150_000, "\(path)")
            let check = MarkupCheck(answer.body)
            #expect(check.faults.isEmpty, "\(path): \(check.faults)")
            for (method, target) in check.targets where !target.hasPrefix("#") {
                #expect(target.hasPrefix("/"), "\(path) leads to \(target)")
                let place = String(target.prefix { $0 != "#" })
                let parts = try RequestTarget(place).path
                let match = try PageTable.match(method == "POST" ? .post : .get, parts)
                #expect(match != nil, "\(path) leads to \(method) \(target)")
                if method == "GET", !place.hasPrefix("/theme"), seen.insert(place).inserted { wanted.append(place) }
            }
        }
        for path in ["/dags/orders", "/dags/rates", "/dags/orders/runs/r1", "/dags/orders/trigger", "/runs", "/tasks"] {
            #expect(seen.contains { $0 == path || $0.hasPrefix(path + "?") }, "nothing leads to \(path)")
        }
        try await bench.end()
    }

    @Test("What is not there, and what may not be, is told on a page")
    func errors() async throws {
        let bench = try await RESTBench()
        for (path, status, says) in [
            ("/dags/ordres", 404, "did you mean &#39;orders&#39;?"), ("/dags/orders/runs/none", 404, "no run"),
            ("/i/0", 404, "no task instance"), ("/static/none.css", 404, "no file"), ("/theme?to=red", 400, "dark"),
            ("/dags/%FF", 400, "not UTF-8"),
        ] {
            let answer = try await bench.page(path)
            #expect(answer.status == status && answer.body.contains(says), "\(path): \(answer)")
            #expect(MarkupCheck(answer.body).faults.isEmpty, "\(path): \(MarkupCheck(answer.body).faults)")
        }
        let wrong = try await bench.api.send("PUT /dags", [:], "")
        #expect(wrong.status == 405 && wrong.fields["allow"] == "GET", "\(wrong)")
        try await bench.end()
    }

    @Test("A form from another server's page does nothing, nor one that is too long or of another type")
    func foreignForms() async throws {
        let bench = try await RESTBench()
        for (fields, status) in [
            (["Origin": "http://evil.example"], 403), (["Origin": "null"], 403),
            (["Sec-Fetch-Site": "cross-site"], 403),
            (["Sec-Fetch-Site": "same-site"], 403), (["Content-Type": "text/plain"], 415),
            (["Content-Type": "application/json"], 415),
            (["Host": "evil.example", "Origin": "http://evil.example"], 403),
        ] {
            let answer = try await bench.post("/dags/orders/pause", [("paused", "true")], fields)
            #expect(answer.status == status, "\(fields): \(answer)")
            #expect(try await bench.get("dags/orders").json["is_paused"] == false)
        }
        let long = try await bench.post("/dags/orders/pause", [("paused", String(repeating: "x", count: 70_000))])
        #expect(long.status == 413)
        try await bench.end()
    }

    @Test("With tokens, pages are for who may look, and forms for who may do")
    func rights() async throws {
        let bench = try await RESTBench(tokens: ["secret"])
        let stranger = try await bench.page("/dags?page=2")
        #expect(
            stranger.status == 303 && stranger.fields["location"] == "/login?next=%2Fdags%3Fpage%3D2", "\(stranger)")
        #expect(try await bench.page("/", ["Authorization": "Bearer secret"]).status == 200)
        #expect(try await bench.page(StaticFile.stylesheet.path).status == 200)
        let form = try await bench.post("/dags/orders/pause", [("paused", "true")])
        #expect(form.status == 303 && form.fields["location"] == "/login?next=%2F", "\(form)")
        let dag = try await bench.get("dags/orders", ["Authorization": "Bearer secret"])
        #expect(dag.json["is_paused"] == false)
        try await bench.end()
    }

    @Test("A DAG is paused and goes on; the next page says so once")
    func pause() async throws {
        let bench = try await RESTBench()
        let paused = try await bench.post("/dags/orders/pause", [("paused", "true"), ("back", "/dags?page=1")])
        #expect(paused.status == 303 && paused.fields["location"] == "/dags?page=1", "\(paused)")
        #expect(try await bench.get("dags/orders").json["is_paused"] == true)
        let cookie = String(try #require(paused.fields["set-cookie"]).prefix { $0 != ";" })
        let next = try await bench.page("/dags", ["Cookie": cookie])
        #expect(next.body.contains("orders is paused") && next.fields["set-cookie"]?.contains("Max-Age=0") == true)
        for back in ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: y"] {
            let answer = try await bench.post("/dags/orders/pause", [("paused", "false"), ("back", back)])
            #expect(answer.fields["location"] == "/dags/orders", "\(back): \(answer)")
        }
        #expect(try await bench.get("dags/orders").json["is_paused"] == false)
        try await bench.end()
    }

    @Test("What has not changed since is answered with its tag alone; files are asked for once")
    func caching() async throws {
        let bench = try await RESTBench()
        let first = try await bench.page("/dags")
        let tag = try #require(first.fields["etag"])
        #expect(try await bench.page("/dags", ["If-None-Match": tag]).status == 304)
        for file in StaticFile.all {
            let answer = try await bench.page(file.path)
            #expect(answer.status == 200 && answer.body == file.text)
            #expect(answer.fields["cache-control"]?.contains("immutable") == true)
        }
        let policy = try #require(first.fields["content-security-policy"])
        #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
        #expect(!StaticFile.stylesheet.text.contains("//") && !StaticFile.script.text.contains("http"))
        try await bench.end()
    }

    @Test("The theme is kept by a cookie, without a script")
    func theme() async throws {
        let bench = try await RESTBench()
        let answer = try await bench.page("/theme?to=dark&back=%2Fdags")
        #expect(answer.status == 303 && answer.fields["location"] == "/dags", "\(answer)")
        let cookie = String(try #require(answer.fields["set-cookie"]).prefix { $0 != ";" })
        #expect(try await bench.page("/dags", ["Cookie": cookie]).body.contains("data-theme=\"dark\""))
        try await bench.end()
    }

    @Test("DAGs are found by a part of the id, by tag and by whether they are paused")
    func dags() async throws {
        let bench = try await RESTBench()
        func ids(_ query: String) async throws -> [String] {
            let check = try await bench.read("/dags\(query)")
            return ["orders", "rates"].filter { id in check.elements.contains { $0.attributes["href"] == "/dags/\(id)" }
            }
        }
        #expect(try await ids("") == ["orders", "rates"])
        #expect(try await ids("?search=ATE") == ["rates"])
        #expect(try await ids("?tag=daily") == ["orders"])
        #expect(try await ids("?state=paused") == [])
        #expect(try await ids("?search=none") == [])
        #expect(try await bench.page("/dags").body.contains("no such operator"))
        try await bench.end()
    }
}
