// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK

/// Requests over HTTP as fast as they are answered, sent by `wrk` from Debian's package of that name.
struct WebLoad {
    /// What came of a load.
    struct Answer {
        /// Requests a second.
        var rate: Double
        /// Below so much 95 of 100 answers lie, in ms.
        var p95: Double
        /// Answers that were no success, and connections that failed.
        var failures: Int
    }

    let port: Int
    let token: String
    /// Where its script may lie.
    let directory: String

    private static let program = "/usr/bin/wrk"

    /// - Throws: `BenchError` where the program is missing.
    init(port: Int, token: String, directory: String) throws {
        guard FileManager.default.isExecutableFile(atPath: Self.program) else {
            throw BenchError("\(Self.program) is missing: apt-get install wrk")
        }
        self.port = port
        self.token = token
        self.directory = directory
    }

    /// Sends requests for some seconds.
    ///
    /// - Parameters:
    ///   - connections: How many send at once.
    ///   - request: The body of a function in Lua that gives method, path, body and its type of the request with number `n`.
    func send(connections: Int, seconds: Int, _ request: String) throws -> Answer {
        let script = """
            local n = 0
            local fields = { ["Authorization"] = "Bearer \(token)" }
            function request()
              n = n + 1
              local method, path, body, type = (function() \(request) end)()
              fields["Content-Type"] = type
              return wrk.format(method, path, fields, body)
            end
            function done(summary, latency)
              local e = summary.errors
              io.write(string.format("RESULT {\\"requests\\": %d, \\"us\\": %d, \\"p95\\": %d, \\"failures\\": %d}\\n",
                summary.requests, summary.duration, latency:percentile(95), e.connect + e.read + e.write + e.status + e.timeout))
            end
            """
        let path = directory + "/load.lua"
        try Data(script.utf8).write(to: URL(filePath: path))
        let process = Process()
        process.executableURL = URL(filePath: Self.program)
        process.arguments = [
            "-t1", "-c\(connections)", "-d\(seconds)", "--timeout", "20", "-s", path, "http://127.0.0.1:\(port)",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("RESULT ") }) else {
            throw BenchError("wrk says no result: \(text)")
        }
        let result = try JSONValue(parsing: String(line.dropFirst(7)))
        func number(_ name: String) throws -> Double {
            guard case .integer(let value)? = result[name] else { throw BenchError("wrk says no \(name): \(line)") }
            return Double(value)
        }
        let seconds = try number("us") / 1e6
        return Answer(
            rate: try number("requests") / seconds, p95: try number("p95") / 1e3,
            failures: Int(try number("failures")))
    }
}
