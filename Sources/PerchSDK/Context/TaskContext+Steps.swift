// SPDX-License-Identifier: Apache-2.0
public import Foundation

/// For how long a step's result answers for it.
public enum StepRetention: Sendable, Hashable {
    /// For the try: a retry does it again.
    case thisTry
    /// For later retries of the same instance too; never for one that was cleared.
    case acrossRetries
}

extension TaskContext {
    /// Does something once in a try: answers from the journal, or runs `body` and returns when its result is durably
    /// recorded.
    ///
    /// The record is made once; the effect may happen twice, where the machine dies between the two. Hand
    /// `idempotencyKey`, which is the same both times, to the other side.
    ///
    /// - Parameters:
    ///   - name: What the step does. A second step of the same name in the same scope is told apart by the order of calls.
    ///   - keep: Whether a retry does it again.
    ///   - body: The work. Its result comes back through JSON the first time too, so that every run sees the same value.
    @discardableResult
    public func step<Result: Codable & Sendable>(
        _ name: String, keep: StepRetention = .thisTry, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        let text = try await record(name, keep) { try await JSONText.encode(body()) }
        do {
            return try JSONText.decode(Result.self, from: text)
        } catch {
            throw JournalMismatch(
                key: (path + [name]).joined(separator: "/"), recorded: text.count > 200 ? "\(text.prefix(200))…" : text,
                requested: "a \(Result.self) (\(error))")
        }
    }

    /// Does something that gives nothing once in a try; see the other `step`.
    public func step(
        _ name: String, keep: StepRetention = .thisTry, _ body: @Sendable () async throws -> Void
    ) async throws {
        _ = try await record(name, keep) {
            try await body()
            return JSONText.null
        }
    }

    private func record(
        _ name: String, _ keep: StepRetention, _ body: @Sendable () async throws -> String
    ) async throws -> String {
        let name = try JournalName.checked(name, what: "step")
        let key = counter.key(of: name, in: path)
        do {
            return try await runtime.step(name, scope: path, keepAcrossRetries: keep == .acrossRetries) {
                try await StepCounter.$current.withValue(key) { try await body() }
            }
        } catch {
            counter.giveBack(name, in: path)
            throw error
        }
    }

    /// A key to hand to others so that they do what is asked only once, however often they are asked.
    ///
    /// In the body of a step it belongs to that step; elsewhere to the try. It is the same in every dispatch of the try,
    /// and another one in the next try.
    public var idempotencyKey: String {
        let facts = runtime.facts
        var hash = StableHash128()
        for part in [
            facts.dagID, facts.runID, facts.taskID, String(facts.mapIndex), String(facts.tryNumber),
            StepCounter.current ?? "",
        ] {
            hash.combine(part)
        }
        return "perch-\(hash.text)"
    }
}

// MARK: Journalled chance and time
extension TaskContext {
    /// The time at which the code first asked here; a replay gets the same.
    public var now: Timestamp {
        get async throws {
            try await step("now") { runtime.now }
        }
    }

    /// A random whole number, drawn once; a replay gets the same.
    public func random(in range: ClosedRange<Int>) async throws -> Int {
        try await step("random") {
            var generator = RuntimeGenerator(runtime: runtime)
            return Int.random(in: range, using: &generator)
        }
    }

    /// A random number from 0 up to 1, drawn once; a replay gets the same.
    public var random: Double {
        get async throws {
            try await step("random") {
                var generator = RuntimeGenerator(runtime: runtime)
                return Double.random(in: 0..<1, using: &generator)
            }
        }
    }

    /// A random UUID (version 4), drawn once; a replay gets the same.
    public var uuid: UUID {
        get async throws {
            try await step("uuid") {
                let (high, low) = (runtime.randomBits(), runtime.randomBits())
                var bytes = withUnsafeBytes(of: (high, low)) { Array($0) }
                bytes[6] = bytes[6] & 0x0F | 0x40
                bytes[8] = bytes[8] & 0x3F | 0x80
                return bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
            }
        }
    }
}

private struct RuntimeGenerator: RandomNumberGenerator {
    let runtime: any AttemptRuntime

    mutating func next() -> UInt64 { runtime.randomBits() }
}
