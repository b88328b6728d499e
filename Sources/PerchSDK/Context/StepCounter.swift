// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Counts the steps of one dispatch by scope and name, so that a step knows its own key while it runs.
final class StepCounter: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    /// The key of the next step of this name: `scope/…/name#n`.
    func key(of name: String, in path: [String]) -> String {
        let full = (path + [name]).joined(separator: "/")
        let occurrence = counts.withLock { counts in
            defer { counts[full, default: 0] += 1 }
            return counts[full, default: 0]
        }
        return "\(full)#\(occurrence)"
    }

    /// The step of this name was not recorded: the next one takes its place.
    func giveBack(_ name: String, in path: [String]) {
        let full = (path + [name]).joined(separator: "/")
        counts.withLock { $0[full, default: 1] -= 1 }
    }

    /// The key of the step whose body runs in this Swift task.
    @TaskLocal static var current: String?
}

/// Names of steps, waits and scopes as parts of a journal key.
enum JournalName {
    static let longest = 250

    /// `/`, `#`, `%` and control characters as `%XX`, so that no two different keys have the same text.
    static func escaped(_ name: String) -> String {
        guard name.utf8.contains(where: isReserved) else { return name }
        var bytes: [UInt8] = []
        for byte in name.utf8 {
            if isReserved(byte) {
                let digits = String(byte, radix: 16, uppercase: true)
                bytes += Array("%\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The name of a step or wait, escaped.
    static func checked(_ name: String, what: String) throws(PerchError) -> String {
        guard !name.isEmpty else {
            throw PerchError(.invalid, "the name of a \(what) is empty; name it after what it does")
        }
        guard name.utf8.count <= longest else {
            throw PerchError(
                .invalid,
                "the name of the \(what) '\(name.prefix(40))…' is longer than \(longest) bytes; use a short name")
        }
        return escaped(name)
    }

    private static func isReserved(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte == UInt8(ascii: "#") || byte == UInt8(ascii: "%") || byte < 0x20
            || byte == 0x7F
    }
}
