// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("What the API refuses", .timeLimit(.minutes(1)))
struct RefusalTests {
    @Test(
        "A wrong request gets the status of what is wrong, and an error of the one shape",
        arguments: [
            ("GET /nope", [:], "", 404, "there is no /nope"), ("POST /event/a", json, "1", 404, "POST /events/{name}"),
            ("POST /events/", json, "1", 404, "no /events/"), ("POST /events/a/b", json, "1", 404, "%2F"),
            ("POST /Events/a", json, "1", 404, "/Events/a"), ("POST /events/a/", json, "1", 404, "/events/a/"),
            ("GET /events/a", [:], "", 405, "POST is"), ("PUT /events/a", json, "1", 405, "POST is"),
            ("OPTIONS /events/a", [:], "", 405, "POST is"), ("POST /health", [:], "", 405, "GET, HEAD is"),
            ("PUT /health", [:], "", 405, "GET, HEAD is"), ("GET /readyz", [:], "", 404, "GET /ready and"),
            ("DELETE /events", [:], "", 405, "POST is"),
            ("POST /events/a", [:], "1", 415, "no Content-Type"),
            ("POST /events/a", ["Content-Type": "text/plain"], "1", 415, "application/json"),
            ("POST /events/a", ["Content-Type": "application/x-www-form-urlencoded"], "a=1", 415, "x-ndjson"),
            ("POST /events/a", ["Content-Type": "application/json; charset=latin1"], "1", 415, "UTF-8"),
            ("POST /events/a", ["Content-Type": "application/json", "Content-Encoding": "gzip"], "1", 415, "gzip"),
            ("POST /events", json, "{}", 415, "batch"), ("POST /events", [:], "", 415, "batch"),
            ("POST /events/a", json, "{\"a\": nope}", 400, "at byte 6"), ("POST /events/a", json, "", 400, "the end"),
            ("POST /events/a", json, "{} {}", 400, "at byte 3"),
            ("POST /events/a", json, String(repeating: "[", count: 900), 400, "deeper than 500"),
            ("POST /events/a?colour=red", json, "1", 400, "'colour'"),
            ("POST /events/a?key=1&key=2", json, "1", 400, "twice"),
            ("POST /events/a?key=%4", json, "1", 400, "'%'"), ("POST /events/a?key=%FF", json, "1", 400, "not UTF-8"),
            ("POST /events/%FF", json, "1", 400, "not UTF-8"),
            ("POST /events/a%00b", json, "1", 400, "control characters"),
            ("POST /events/a?key=", json, "1", 400, "the key"), ("POST /events/a?id=", json, "1", 400, "the id"),
            ("POST /events/\(String(repeating: "n", count: 501))", json, "1", 400, "1 to 500 bytes"),
            ("POST /events/a?id=1", lines, "{}", 400, "one event"), ("POST /events/a", lines, "\n \n", 400, "no event"),
            ("POST /events", lines, "{}", 400, "'name' is missing"),
            (
                "POST /events/a?id=1", ["Content-Type": "application/json", "Idempotency-Key": "2"], "1", 400,
                "different"
            ),
            ("GET /health", [:], "a body", 413, "takes no body"),
            (
                "POST /events/a", ["Content-Type": "application/json", "Origin": "http://evil.example"], "1", 403,
                "browser"
            ),
        ] as [(String, [String: String], String, Int, String)])
    func wrong(line: String, fields: [String: String], body: String, status: Int, says: String) async throws {
        let bench = try await APIBench()
        let answer = try await bench.send(line, fields, body)
        #expect(answer.status == status && answer.isError, "\(answer)")
        #expect(answer.body.contains(says), "\(answer)")
        if status == 405 { #expect(answer.fields["allow"] == (line.contains("health") ? "GET, HEAD" : "POST")) }
        #expect(try await bench.events().isEmpty)
        #expect(try await bench.send("GET /health").status == 200)
        try await bench.end()
    }

    @Test(
        "What is no HTTP is answered where it can be, and its connection ends",
        arguments: [
            "GARBAGE\r\n\r\n", "POST /events/a HTTP/9.9\r\n\r\n", "BREW /events/a HTTP/1.1\r\n\r\n",
            "POST /events/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: x\r\n\r\n1",
            "POST /events/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
            "POST /events/a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
            "POST /events/a HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
            "POST /events/a HTTP/1.1\r\nbad header\r\n\r\n", "POST events HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /health HTTP/1.1\r\nX: \(String(repeating: "x", count: 20_000))\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
        ])
    func malformed(text: String) async throws {
        let bench = try await APIBench()
        let client = try bench.client()
        await client.send(text)
        let answer = try #require(await client.answer())
        #expect([400, 405, 415, 431].contains(answer.status) && answer.isError, "\(answer)")
        #expect(await client.isEnded())
        #expect(try await bench.events().isEmpty)
        #expect(try await bench.send("POST /events/a", json, "1").status == 202)
        try await bench.end()
    }

    @Test("A body that is too large is refused, before it comes where its length is said, else when it has")
    func tooLarge() async throws {
        let bench = try await APIBench { $0.eventBytes = 1_000 }
        let announced = try bench.client()
        await announced.send(
            "POST /events/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n\r\n")
        #expect(await announced.answer()?.status == 413)
        let chunked = try bench.client()
        await chunked.send(
            "POST /events/a HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<20 { await chunked.send("64\r\n\(String(repeating: " ", count: 100))\r\n") }
        let answer = try #require(await chunked.answer())
        #expect(answer.status == 413 && answer.isError && answer.fields["connection"] == "close")
        #expect(try await bench.send("POST /events/a", json, String(repeating: " ", count: 999) + "1").status == 202)
        try await bench.end()
    }

    @Test("What all bodies take together has an end, and room again once they have been served")
    func heldBytes() async throws {
        let bench = try await APIBench { $0.heldBytes = 1_000 }
        // From here on nothing has to be looked up first, while others come in between.
        _ = try await bench.send("GET /metrics")
        let hoarder = try bench.client()
        let text = WebClient.text("POST /events/a", json, String(repeating: " ", count: 899) + "1")
        await hoarder.send(String(text.dropLast()))
        // Until the hoarder's bytes have come there is room: so it is asked until there is none.
        var refused: WebClient.Answer?
        while refused == nil {
            let answer = try await bench.send("POST /events/b", json, String(repeating: " ", count: 199) + "1")
            if answer.status != 202 { refused = answer }
        }
        #expect(refused?.status == 503 && refused?.isError == true && refused?.fields["retry-after"] == "1")
        await hoarder.send("1")
        #expect(await hoarder.answer()?.status == 202)
        #expect(try await bench.send("POST /events/b", json, String(repeating: " ", count: 999) + "1").status == 202)
        try await bench.end()
    }

    @Test(
        "An address is an IP address and a port; what others can reach asks for a token",
        arguments: [
            ("127.0.0.1:8793", true, true), ("localhost:80", true, true), ("[::1]:0", true, true),
            ("127.9.9.9:1", true, true), ("0.0.0.0:8793", true, false), ("[::]:8793", true, false),
            ("[::ffff:127.0.0.1]:1", true, false), ("10.0.0.1:65535", true, false), ("", false, false),
            ("8793", false, false), (":8793", false, false), ("127.0.0.1", false, false), ("127.0.0.1:", false, false),
            ("127.0.0.1:65536", false, false), ("127.0.0.1:+1", false, false), ("::1:80", false, false),
            ("example.org:80", false, false), ("127.1:80", false, false), ("[127.0.0.1]:80", false, false),
        ])
    func addresses(text: String, isAddress: Bool, isLoopback: Bool) throws {
        guard let address = try? ListenAddress(parsing: text) else {
            #expect(!isAddress)
            return
        }
        #expect(isAddress && address.isLoopback == isLoopback)
        let isRefused = (try? APIServer.Configuration(address: address, credentials: try Credentials())) == nil
        #expect(isRefused == !isLoopback)
        _ = try APIServer.Configuration(address: address, credentials: try Credentials(tokens: ["t"]))
    }
}
