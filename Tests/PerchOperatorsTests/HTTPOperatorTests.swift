// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchOperators

@Suite("HTTP requests", .timeLimit(.minutes(1)))
struct HTTPOperatorTests {
    private func answer(_ status: String, _ body: String, _ headers: String = "") -> String {
        "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\(headers)\r\n\(body)"
    }

    private func execute(_ request: HTTPOperator) async throws -> HTTPResponse {
        try await request.execute(TaskContext(runtime: RecordingRuntime()))
    }

    @Test("status, headers and body come back; templates and the body go out")
    func exchange() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        let server = try OneAnswer(answer("201 Created", #"{"id":7}"#, "X-A: 1\r\nx-a: 2\r\n")) {
            continuation.yield($0)
        }
        let response = try await execute(
            HTTPOperator(
                server.url("/jobs/{{ ds }}"), method: "post", headers: ["X-Name": "{{ params.name }}"],
                body: "hi {{ ds }}"))
        #expect(response.status == 201)
        #expect(response.headers["x-a"] == "1, 2")
        #expect(try response.json["id"] == .integer(7))
        var requests = stream.makeAsyncIterator()
        let request = await requests.next() ?? ""
        #expect(request.hasPrefix("POST /jobs/2026-01-01 HTTP/1.1\r\n"))
        #expect(request.contains("X-Name: Ann\r\n"))
        #expect(request.hasSuffix("hi 2026-01-01"))
    }

    @Test("an unexpected status fails with the start of the body, without the query")
    func status() async throws {
        let server = try OneAnswer(answer("500 Oops", "it broke"))
        await #expect {
            _ = try await execute(HTTPOperator(server.url("/x?token=secret")))
        } throws: { "\($0)".contains("gave 500") && "\($0)".contains("it broke") && !"\($0)".contains("secret") }
    }

    @Test("a body that is too long, a silent server and a closed port end in bounded time")
    func bounds() async throws {
        let long = try OneAnswer(answer("200 OK", String(repeating: "x", count: 5_000)))
        await #expect {
            _ = try await execute(HTTPOperator(long.url(), maximumBodySize: 1_000))
        } throws: { $0 is NonRetryable && "\($0)".contains("longer than 1000 bytes") }
        let silent = try OneAnswer(nil)
        await #expect(throws: PerchError.self) {
            _ = try await execute(HTTPOperator(silent.url(), timeout: .milliseconds(50)))
        }
        await #expect(throws: PerchError.self) { _ = try await execute(HTTPOperator("http://127.0.0.1:1/")) }
    }

    @Test("names and passwords of an address are not shown")
    func shown() {
        #expect(HTTPExchange.shown("https://ann:secret@host:8443/a/b?c=d#e") == "https://host:8443/a/b")
        #expect(HTTPExchange.shown("http://host/a@b") == "http://host/a@b")
    }
}
