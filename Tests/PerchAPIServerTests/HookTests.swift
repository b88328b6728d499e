// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

/// Signs deliveries as their senders do.
private struct Sender {
    let form: String
    let secret: String

    func mac(_ text: String, key: [UInt8]? = nil) -> [UInt8] {
        Array(
            HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: key ?? Array(secret.utf8)))
        )
    }

    func hex(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    func fields(_ body: String, at time: Int64, id: String) -> [String: String] {
        let signed: [String: String]
        switch form {
        case "github":
            signed = [
                "X-Hub-Signature-256": "sha256=" + hex(mac(body)), "X-GitHub-Delivery": id, "X-GitHub-Event": "push",
            ]
        case "gitlab": signed = ["X-Gitlab-Token": secret, "Idempotency-Key": id]
        case "slack":
            signed = [
                "X-Slack-Signature": "v0=" + hex(mac("v0:\(time):\(body)")), "X-Slack-Request-Timestamp": "\(time)",
            ]
        case "stripe":
            let old = String(repeating: "0", count: 64)
            signed = ["Stripe-Signature": "t=\(time),v1=\(old),v1=\(hex(mac("\(time).\(body)"))),v0=\(old)"]
        case "standard-webhooks":
            let key = Data(base64Encoded: String(secret.dropFirst(6))).map { Array($0) }
            let code = Data(mac("\(id).\(time).\(body)", key: key)).base64EncodedString()
            signed = [
                "webhook-id": id, "webhook-timestamp": "\(time)", "webhook-signature": "v1a,eA== v1,\(code)",
            ]
        default:
            signed = [
                "X-Perch-Signature": "sha256=" + hex(mac("\(time).\(body)")), "X-Perch-Timestamp": "\(time)",
                "Idempotency-Key": id,
            ]
        }
        return signed.merging(json) { $1 }
    }
}

@Suite("Webhooks", .timeLimit(.minutes(1)))
struct HookTests {
    private static let secrets: [String: String] = [
        "github": "gh-secret", "gitlab": "gl-secret", "slack": "sl-secret", "stripe": "st-secret",
        "standard-webhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "generic": "ge-secret",
    ]

    private static func bench() async throws -> APIBench {
        var hooks: [String: JSONValue] = [:]
        for name in secrets.keys {
            hooks[name] = [
                "form": .string(name), "secret_file": .string("/secrets/\(name)"), "event": .string("\(name).in"),
                "key": "$.order.id", "payload": "$.order",
            ]
        }
        hooks["pushes"] = [
            "form": "github", "secret": "var:hook_secret", "event": "github.{header:X-GitHub-Event}.{$.action}",
        ]
        hooks["lost"] = ["form": "github", "secret": "NO_SUCH", "event": "x"]
        let all = try Hook.all(in: .object(hooks)) { path in
            ["an older one", Self.secrets[String(path.split(separator: "/").last ?? "")] ?? "?"]
        }
        var surroundings = APISurroundings()
        surroundings.secrets = GivenSecrets(variables: ["hook_secret": Variable("kept", isSecret: true)])
        return try await APIBench(tokens: ["t"], surroundings: surroundings, hooks: all)
    }

    private static let body = #"{"id":"d1","event_id":"d1","order":{"id":4711,"total":9}}"#

    @Test(
        "A delivery that is signed becomes an event once, with its key and its payload",
        arguments: secrets.keys.sorted())
    func deliveries(form: String) async throws {
        let bench = try await Self.bench()
        let now = bench.clock.now.microseconds / 1_000_000
        let sender = Sender(form: form, secret: Self.secrets[form] ?? "")
        for isDuplicate in [false, true] {
            let answer = try await bench.send(
                "POST /hooks/\(form)", sender.fields(Self.body, at: now - 200, id: "d1"), Self.body)
            #expect(answer.status == 202 && answer.json["duplicate"] == .bool(isDuplicate), "\(answer)")
            #expect(answer.json["id"] == "d1")
        }
        let event = try #require(try await bench.events().first)
        #expect(event.name == "\(form).in" && event.key == "4711" && event.payload == ["id": 4711, "total": 9])
        try await bench.end()
    }

    @Test(
        "A forged, truncated, oversized or old delivery is refused, and nothing is taken",
        arguments: secrets.keys.sorted())
    func forged(form: String) async throws {
        let bench = try await Self.bench()
        let now = bench.clock.now.microseconds / 1_000_000
        let right = Sender(form: form, secret: Self.secrets[form] ?? "")
        let other = Sender(form: form, secret: form == "standard-webhooks" ? "whsec_AAAA" : "another")
        let good = right.fields(Self.body, at: now, id: "d1")
        var wrong: [(String, [String: String], String)] = [
            ("another's secret", other.fields(Self.body, at: now, id: "d1"), Self.body), ("nothing", json, Self.body),
        ]
        if form != "gitlab" { wrong.append(("another body", good, Self.body.replacing("4711", with: "4712"))) }
        for name in good.keys.sorted() where name.lowercased().contains("signature") || name.hasSuffix("Token") {
            let text = good[name] ?? ""
            for (what, changed) in [
                ("truncated", String(text.dropLast(2))), ("halved", String(text.prefix(text.count / 2))),
                ("empty", ""), ("longer", text + "00"), ("padded", String(repeating: "a", count: 9_000)),
                ("many", (0..<200).map { _ in "v1=00" }.joined(separator: ",")),
            ] {
                // Stripe's last part is one that is not looked at.
                if form == "stripe", what == "truncated" || what == "longer" { continue }
                wrong.append((what, good.merging([name: changed]) { $1 }, Self.body))
            }
        }
        for name in good.keys.sorted() where name.lowercased().contains("timestamp") {
            for time in ["\(now + 1)", "-1", "", "9999999999999999999", "1e9"] {
                wrong.append((time, good.merging([name: time]) { $1 }, Self.body))
            }
        }
        if form != "github", form != "gitlab" {
            for time in [now - 400, now + 400] {
                wrong.append(("\(time)", right.fields(Self.body, at: time, id: "d1"), Self.body))
            }
        }
        for (what, fields, body) in wrong {
            let answer = try await bench.send("POST /hooks/\(form)", fields, body)
            #expect(answer.status == 401 && answer.isError, "\(what): \(answer)")
            #expect(!answer.body.contains(Self.secrets[form] ?? ""), "\(what)")
        }
        let huge = try await bench.send(
            "POST /hooks/\(form)", good.merging(["Content-Length": "9999999"]) { $1 })
        #expect(huge.status == 413)
        #expect(try await bench.events().isEmpty)
        #expect(!bench.log.text.contains(Self.secrets[form] ?? "?"))
        try await bench.end()
    }

    @Test("The event's name may come from headers and the body, and a secret from where secrets are kept")
    func names() async throws {
        let bench = try await Self.bench()
        let sender = Sender(form: "github", secret: "kept")
        let body = #"{"action":"opened"}"#
        let answer = try await bench.send("POST /hooks/pushes", sender.fields(body, at: 0, id: "a"), body)
        #expect(answer.status == 202, "\(answer)")
        #expect(try await bench.events().map(\.name) == ["github.push.opened"])
        #expect(try await bench.events().map(\.payload) == [["action": "opened"]])
        let nameless = try await bench.send("POST /hooks/pushes", sender.fields("{}", at: 0, id: "b"), "{}")
        #expect(nameless.status == 400 && nameless.body.contains("$.action"), "\(nameless)")
        let lost = try await bench.send("POST /hooks/lost", sender.fields(body, at: 0, id: "a"), body)
        #expect(lost.status == 503 && bench.log.text.contains("a hook's secret is not there"), "\(lost)")
        try await bench.end()
    }

    @Test("Slack is told that this is the right place, and whoever else asks so is not")
    func challenge() async throws {
        let bench = try await Self.bench()
        let now = bench.clock.now.microseconds / 1_000_000
        let body = #"{"type":"url_verification","challenge":"3eZb"}"#
        let sender = Sender(form: "slack", secret: Self.secrets["slack"] ?? "")
        let answer = try await bench.send("POST /hooks/slack", sender.fields(body, at: now, id: ""), body)
        #expect(answer.status == 200 && answer.json == ["challenge": "3eZb"], "\(answer)")
        let other = Sender(form: "slack", secret: "x")
        #expect(try await bench.send("POST /hooks/slack", other.fields(body, at: now, id: ""), body).status == 401)
        #expect(try await bench.events().isEmpty)
        try await bench.end()
    }

    @Test("What no hook takes is refused with what would be right")
    func refused() async throws {
        let bench = try await Self.bench()
        let sender = Sender(form: "github", secret: "gh-secret")
        let good = sender.fields(Self.body, at: 0, id: "d")
        for (line, fields, body, status) in [
            ("POST /hooks/none", good, Self.body, 404), ("GET /hooks/github", [:], "", 405),
            ("POST /hooks/github?a=b", good, Self.body, 400),
            (
                "POST /hooks/github", good.merging(["Content-Type": "application/x-www-form-urlencoded"]) { $1 },
                Self.body, 415
            ),
            ("POST /hooks/github", sender.fields("{", at: 0, id: "d"), "{", 400),
            ("POST /hooks/github", sender.fields("[1]", at: 0, id: "d"), "[1]", 400),
        ] {
            let answer = try await bench.send(line, fields, body)
            #expect(answer.status == status && answer.isError, "\(line): \(answer)")
        }
        #expect(try await bench.events().isEmpty)
        try await bench.end()
    }

    @Test("A hook that is declared wrong is told of with its name and its field")
    func declarations() throws {
        let good: [String: JSONValue] = ["form": "github", "secret": "S", "event": "x"]
        for (change, says) in [
            (["form": "gitbub"], "its form is one of github"), (["secret": .null], "its secret"),
            (["secret_file": "/x"], "one of secret"), (["event": ""], "its event"), (["key": "order"], "its key"),
            (["evnet": "x"], "no field 'evnet'; there are event"), (["window": "soon"], "soon"),
            (["window": "0s"], "window"),
            (["event": "a{$.x"], "'}'"), (["event": "a{x}"], "header:NAME"), (["secret": "conn:x"], "conn:ID.password"),
        ] as [([String: JSONValue], String)] {
            let document: JSONValue = ["h": .object(good.merging(change) { $1 })]
            do {
                _ = try Hook.all(in: document) { _ in ["s"] }
                Issue.record("taken: \(document.text)")
            } catch let error as PerchError {
                #expect(error.message.contains("the hook 'h'") && error.message.contains(says), "\(error.message)")
            }
        }
    }
}

@Suite("Bytes as text")
struct BinaryTextTests {
    @Test("Base64 gives what another decoder gives, for all that is right, and nothing for the rest")
    func base64() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            let text = Data(bytes).base64EncodedString()
            #expect(Base64.bytes(in: text) == bytes)
            #expect(Base64.bytes(in: text.filter { $0 != "=" }) == bytes)
        }
        for text in ["A", "AR==", "AAB=", "A===", "AA=", "A A=", "====", "AA-_", "AAAAA", "ä"] {
            #expect(Base64.bytes(in: text) == nil, "\(text)")
        }
        #expect(Hexadecimal.bytes(in: "00fFa9") == [0, 255, 169] && Hexadecimal.bytes(in: "") == [])
        for text in ["0", "0g", "ää", "+1"] { #expect(Hexadecimal.bytes(in: text) == nil, "\(text)") }
    }
}
