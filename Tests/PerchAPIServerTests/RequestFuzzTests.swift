// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Fuzz: requests to the API", .timeLimit(.minutes(2)))
struct RequestFuzzTests {
    /// Requests with some of their bytes changed, several on a connection at times.
    private func inputs(_ count: Int) throws -> [[UInt8]] {
        var inputs: [[UInt8]] = []
        try Fuzz.run("requests", count: count) { source in
            var text = ""
            for _ in 0..<source.int(1...3) {
                switch source.int(0...3) {
                case 0: text += WebClient.text("POST /events/a?key=\(source.int(0...9))", json, source.json().text)
                case 1: text += WebClient.text("POST /events/a%20b", lines, "{\"key\":\"k\"}\n\n{\"payload\":[1]}")
                case 2:
                    let body = source.json().text
                    text += WebClient.text("POST /events/c", json.merging(["Transfer-Encoding": "chunked"]) { $1 })
                    text += "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
                default: text += WebClient.text("GET /health", ["Connection": source.one(in: 2) ? "close" : "x"])
                }
            }
            let bytes = Array(text.utf8)
            inputs.append(source.one(in: 5) ? bytes : source.mutated(bytes, with: bytes))
        }
        return inputs
    }

    @Test("whatever comes, every error has the one shape, and what is in the inbox is what was acknowledged")
    func requests() async throws {
        let bench = try await APIBench()
        var acknowledged: [Int64] = []
        for input in try inputs(400) {
            let client = try bench.client()
            await client.send(input)
            client.endSending()
            while let answer = await client.answer() {
                guard answer.status == 202 else {
                    let isHealth = answer.status == 200 && answer.json == ["status": "alive"]
                    #expect(isHealth || answer.status == 100 || answer.isError, "\(answer) to \(input.shown)")
                    if case .string(let message)? = answer.json["error"] { try Fuzz.checkMessage(message) }
                    continue
                }
                for line in answer.body.split(separator: "\n") {
                    let event = try JSONValue(parsing: String(line))
                    if event["duplicate"] == false, case .integer(let seq)? = event["seq"] { acknowledged.append(seq) }
                }
            }
        }
        #expect(try await bench.events().map(\.seq) == acknowledged)
        #expect(acknowledged.count > 100)
        try await bench.end()
    }
}

extension [UInt8] {
    fileprivate var shown: String { String(decoding: self, as: UTF8.self).debugDescription }
}
