// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import HTTPTypes
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Who may send events", .timeLimit(.minutes(1)))
struct AccessTests {
    private func signature(_ text: String, _ secret: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(text.utf8), using: SymmetricKey(data: Array(secret.utf8)))
        return "sha256=" + code.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    @Test("Any of the tokens lets in, nothing else does, and no token is ever repeated")
    func tokens() async throws {
        let bench = try await APIBench(tokens: ["old-token", "new-token"])
        for token in ["old-token", "new-token"] {
            let fields = json.merging(["Authorization": "bearer \(token)"]) { $1 }
            #expect(try await bench.send("POST /events/a", fields, "1").status == 202)
        }
        let wrong = [
            "Bearer", "Bearer ", "Bearer old-toke", "Bearer old-token2", "Bearer  old-token", "Basic old-token",
            "old-token", "Bearer OLD-TOKEN", "Bearer old-token, Bearer x",
        ]
        for text in wrong {
            let answer = try await bench.send("POST /events/a", json.merging(["Authorization": text]) { $1 }, "1")
            #expect(answer.status == 401 && answer.isError && answer.fields["www-authenticate"] == "Bearer", "\(text)")
            #expect(!answer.body.contains("old-t") && !answer.body.contains("new-t"))
        }
        let missing = try await bench.send("POST /events/a", json, "1")
        #expect(missing.status == 401 && missing.body.contains("no token"))
        #expect(try await bench.send("GET /health").status == 200)
        #expect(try await bench.events().count == 2)
        #expect(!bench.log.text.contains("old-t") && !bench.log.text.contains("new-t"))
        // Ten were turned away within ten seconds: one line.
        #expect(bench.log.text.components(separatedBy: "a sender was turned away").count == 2)
        try await bench.end()
    }

    @Test("Metrics are read by whoever has a token; where there is none, by whoever is on this machine")
    func metrics() async throws {
        for (tokens, secrets, given, status) in [
            ([], [], nil, 200), (["t"], ["s"], "Bearer t", 200), (["t"], ["s"], "Bearer x", 401), (["t"], [], nil, 401),
            ([], ["s"], nil, 401),
        ] as [([String], [String], String?, Int)] {
            let bench = try await APIBench(tokens: tokens, secrets: secrets)
            var fields = ["X-Perch-Signature": "sha256=" + String(repeating: "0", count: 64)]
            if let given { fields["Authorization"] = given }
            let answer = try await bench.send("GET /metrics", fields)
            #expect(answer.status == status, "\(tokens) \(secrets) \(given ?? "-"): \(answer.body)")
            if status == 200 {
                #expect(answer.body == "perch_slots 32\n")
                #expect(answer.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            }
            #expect(try await bench.send("POST /metrics", fields, "x").status == 405)
            try await bench.end()
        }
    }

    @Test("Whoever may not send is told so before he has sent a body")
    func early() async throws {
        let bench = try await APIBench(tokens: ["t"])
        let client = try bench.client()
        await client.send(
            "POST /events/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
                + "Expect: 100-continue\r\nAuthorization: Bearer x\r\n\r\n")
        let answer = await client.answer()
        #expect(answer?.status == 401 && answer?.fields["connection"] == "close")
        #expect(await client.isEnded())
        try await bench.end()
    }

    @Test("A body signed with any of the secrets is let in, in Perch's spelling and in GitHub's; anything else is not")
    func signatures() async throws {
        let bench = try await APIBench(secrets: ["first", "second"])
        func send(_ fields: [String: String], _ body: String = "{}") async throws -> Int {
            try await bench.send("POST /events/a", json.merging(fields) { $1 }, body).status
        }
        #expect(try await send(["X-Perch-Signature": signature("{}", "first")]) == 202)
        #expect(try await send(["X-Hub-Signature-256": signature("{}", "second")]) == 202)
        #expect(try await send(["X-Perch-Signature": signature("{}", "second").uppercased()]) == 401)
        #expect(try await send(["X-Perch-Signature": signature("{} ", "first")]) == 401)
        #expect(try await send(["X-Perch-Signature": signature("{}", "third")]) == 401)
        #expect(try await send(["X-Perch-Signature": "sha256="]) == 401)
        #expect(try await send(["X-Perch-Signature": "sha256=" + String(repeating: "g", count: 64)]) == 401)
        #expect(try await send(["Authorization": "Bearer first"]) == 401)
        #expect(try await send([:]) == 401)
        #expect(try await bench.events().count == 2)
        try await bench.end()
    }

    @Test("A time that is signed with the body lets nobody send it again later, nor with another time")
    func replay() async throws {
        let bench = try await APIBench(secrets: ["s"])
        let now = bench.clock.now.microseconds / 1_000_000
        func send(_ time: String, signedAs signed: String) async throws -> Int {
            let fields = ["X-Perch-Timestamp": time, "X-Perch-Signature": signature("\(signed).{}", "s")]
            return try await bench.send("POST /events/a", json.merging(fields) { $1 }, "{}").status
        }
        #expect(try await send("\(now)", signedAs: "\(now)") == 202)
        #expect(try await send("\(now - 299)", signedAs: "\(now - 299)") == 202)
        #expect(try await send("\(now + 299)", signedAs: "\(now + 299)") == 202)
        for late in ["\(now - 301)", "\(now + 301)", "9223372036854775807", "-9223372036854775808", "x", "1e9"] {
            #expect(try await send(late, signedAs: late) == 401, "\(late)")
        }
        #expect(try await send("\(now)", signedAs: "\(now - 1)") == 401)
        try await bench.end()
    }

    @Test("With a token and a secret either is enough, but a signature that is wrong is never passed over")
    func both() async throws {
        let bench = try await APIBench(tokens: ["t"], secrets: ["s"])
        func send(_ fields: [String: String]) async throws -> Int {
            try await bench.send("POST /events/a", json.merging(fields) { $1 }, "{}").status
        }
        #expect(try await send(["Authorization": "Bearer t"]) == 202)
        #expect(try await send(["X-Perch-Signature": signature("{}", "s")]) == 202)
        #expect(try await send(["Authorization": "Bearer t", "X-Perch-Signature": signature("{}", "x")]) == 401)
        #expect(try await send(["Authorization": "Bearer x", "X-Perch-Signature": signature("{}", "s")]) == 401)
        try await bench.end()
    }

    @Test("The example that GitHub gives for its signatures is right")
    func gitHub() throws {
        let access = AccessControl(
            try Credentials(secrets: ["It's a Secret to Everybody"]), signatureTime: .seconds(300))
        var fields = HTTPFields()
        fields[.hubSignature] = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        try access.verify(fields, body: Array("Hello, World!".utf8), now: Timestamp(microseconds: 0))
        #expect(throws: Refusal.self) {
            try access.verify(fields, body: Array("Hello, World?".utf8), now: Timestamp(microseconds: 0))
        }
    }

    @Test(
        "Tokens that no header can carry are refused, without being shown",
        arguments: ["", "sesame pepper", "sesame read operate", "käse", "a\nb", "sesame ADMIN"])
    func badTokens(token: String) {
        let error = #expect(throws: PerchError.self) { try Credentials(tokens: [token]) }
        for word in token.split(separator: " ") where APIRight(rawValue: word.lowercased()) == nil {
            #expect(error?.message.contains(word) == false)
        }
    }
}
