// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Runs a property on many seeded inputs.
///
/// `PERCH_FUZZ_SEED` is the seed of the first input (1 if it is not set), `PERCH_FUZZ_COUNT` how many there are. A failure
/// names the seed of its own input; with `PERCH_FUZZ_TRACE` set each seed is printed before its input is tried, for what
/// ends the process.
public enum Fuzz {
    private static let environment = ProcessInfo.processInfo.environment

    /// Tries a property; what it throws is a failure.
    public static func run(
        _ name: String, count: Int, _ property: (inout FuzzSource) throws -> Void
    ) throws {
        let first = environment["PERCH_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
        let count = environment["PERCH_FUZZ_COUNT"].flatMap(Int.init) ?? count
        let isTraced = environment["PERCH_FUZZ_TRACE"] != nil
        for index in 0..<count {
            let seed = first &+ UInt64(index)
            if isTraced { FileHandle.standardError.write(Data("\(name): PERCH_FUZZ_SEED=\(seed)\n".utf8)) }
            var source = FuzzSource(seed: seed)
            do {
                try property(&source)
            } catch {
                throw FuzzFailure("\(name): \(error) (PERCH_FUZZ_SEED=\(seed) PERCH_FUZZ_COUNT=1)")
            }
        }
    }

    /// Fails unless a condition holds.
    public static func check(_ condition: Bool, _ reason: @autoclosure () -> String) throws {
        if !condition { throw FuzzFailure(reason()) }
    }

    /// Fails unless two values are the same.
    public static func same<Value: Equatable>(_ left: Value, _ right: Value, _ what: @autoclosure () -> String) throws {
        if left != right { throw FuzzFailure("\(what()): \(left) is not \(right)") }
    }

    /// The value, or nil where the input is refused; a refusal has to be fit to be shown.
    public static func accepted<Value>(_ make: () throws -> Value) throws -> Value? {
        let result = Result(catching: make)
        switch result {
        case .success(let value): return value
        case .failure(let error):
            try checkMessage("\(error)")
            return nil
        }
    }

    /// The longest that an error or problem may be, in bytes.
    public static let longestMessage = 1_000

    /// Fails where a message is empty, too long for a line, or would do something to a terminal.
    public static func checkMessage(_ message: String) throws {
        try check(!message.isEmpty, "an error without words")
        try check(
            message.utf8.count <= longestMessage,
            "an error of \(message.utf8.count) bytes: \(String(message.unicodeScalars.prefix(300).map(Character.init)))"
        )
        let control = message.unicodeScalars.first { $0.properties.generalCategory == .control }
        try check(
            control == nil, "an error with the control character \(control?.value ?? 0): \(message.debugDescription)")
    }
}

/// A property that does not hold.
public struct FuzzFailure: Error, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}
