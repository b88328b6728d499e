// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Logging
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchAPIServer

/// A clock that stands where a test has put it.
final class SetClock: PerchClock {
    private let instant: Mutex<Timestamp>
    init(_ instant: Timestamp) { self.instant = Mutex(instant) }
    var now: Timestamp {
        get { instant.withLock { $0 } }
        set { instant.withLock { $0 = newValue } }
    }
}

/// Keeps what is logged.
final class KeptLog: LogHandler, @unchecked Sendable {
    // Guarded by `lines`; level and metadata are never changed after the logger is made.
    let lines = Mutex<[String]>([])
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        lines.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
    }

    var text: String { lines.withLock { $0.joined(separator: "\n") } }
}

/// A home with an API server on a free port.
final class APIBench: Sendable {
    let folder: Folder
    let clock = SetClock(Timestamp(microseconds: 1_790_000_000_000_000))
    let metastore: Metastore
    let server: APIServer
    let log = KeptLog()
    let port: Int

    init(
        tokens: [String] = [], secrets: [String] = [], isOpen: Bool = true,
        surroundings: APISurroundings = APISurroundings(), hooks: [Hook] = [], lease: TimeSpan? = nil,
        metrics: String = "perch_slots 32\n",
        _ change: (inout APILimits) -> Void = { _ in }
    ) async throws {
        folder = try Folder()
        metastore = try Metastore.open(home: folder.path, access: .engine, clock: clock)
        var configuration = try APIServer.Configuration(
            address: try ListenAddress(parsing: "127.0.0.1:0"),
            credentials: try Credentials(tokens: tokens, secrets: secrets))
        configuration.hooks = hooks
        configuration.lease = lease
        configuration.limits.passwordCost = 10
        change(&configuration.limits)
        let kept = log
        server = APIServer(
            configuration, metastore: metastore, log: Logger(label: "api", factory: { _ in kept }),
            metrics: { metrics }, surroundings: surroundings)
        port = try await server.start().port
        if isOpen { await server.open() }
    }

    func client() throws -> WebClient { try WebClient(port: port) }

    /// One request on a connection of its own.
    func send(_ line: String, _ fields: [String: String] = [:], _ body: String = "") async throws -> WebClient.Answer {
        try #require(await client().request(line, fields, body))
    }

    func events() async throws -> [InboxEvent] { try await metastore.read { try $0.events(after: 0, limit: 10_000) } }

    func end() async throws {
        await server.stop()
        try metastore.close()
        folder.remove()
    }
}

extension WebClient.Answer {
    /// What is to blame, where it is a problem as RFC 9457 has it; nil where it is none.
    var problem: (code: String, blamed: String?)? {
        guard fields["content-type"] == "application/problem+json", json["status"] == .integer(Int64(status)),
            json["type"] == "about:blank", case .string(let code)? = json["code"], case .string? = json["detail"],
            case .string? = json["title"]
        else { return nil }
        var blamed: String?
        if case .array(let errors)? = json["errors"], let error = errors.first {
            for name in ["pointer", "parameter"] { if case .string(let text)? = error[name] { blamed = text } }
        }
        return (code, blamed)
    }

    var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }  // because a test says what it wanted
    /// An error is an object of a code and a sentence, whatever it is about.
    var isError: Bool {
        guard case .object(let members) = json, case .string? = members["code"], case .string? = members["error"]
        else { return false }
        return fields["content-type"] == "application/json"
            && Set(members.keys).isSubset(of: ["code", "error", "line"])
    }
}

let json = ["Content-Type": "application/json"]
let lines = ["Content-Type": "application/x-ndjson"]
