// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What must not be shown, and is replaced by `***` wherever it stands in a text.
///
/// Texts shorter than four bytes are left alone: they would hide half of every line. Of a text of several lines each longer
/// line counts alone, too. What an address or a JSON text makes of a secret counts as the secret.
package final class SecretMask: Sendable {
    private struct State {
        var known: Set<String> = []
        /// By their first byte, longest first.
        var byFirst: [[[UInt8]]] = Array(repeating: [], count: 256)
    }

    /// The shortest text that is masked, in bytes.
    package static let shortest = 4
    /// The shortest line of a longer text that is masked alone.
    private static let shortestLine = 8
    /// What stands in place of what must not be shown.
    package static let shown = "***"
    private static let stars = Array(shown.utf8)

    private let isEmpty = Atomic(true)
    private let state = Mutex(State())

    /// A mask that hides nothing.
    package init() {}

    /// Hides texts from now on.
    package func add(_ texts: [String]) {
        let all = Set(texts.flatMap(Self.shapes)).filter { $0.utf8.count >= Self.shortest }
        guard !all.isEmpty else { return }
        state.withLock { state in
            for text in all where state.known.insert(text).inserted {
                let bytes = Array(text.utf8)
                let first = Int(bytes[0])
                let place = state.byFirst[first].firstIndex { $0.count < bytes.count } ?? state.byFirst[first].count
                state.byFirst[first].insert(bytes, at: place)
            }
        }
        isEmpty.store(false, ordering: .releasing)
    }

    /// Hides what a process has in the variables of its environment that hold secrets.
    package func add(environment: [String: String]) {
        for (name, value) in environment {
            if name.hasPrefix("PERCH_SECRET_") {
                add([value])
            } else if name.hasPrefix("PERCH_VAR_") {
                if SensitiveName.holds(name) { add([value]) }
            } else if name.hasPrefix("PERCH_CONN_") {
                do throws(PerchError) {
                    add(try Connection(parsing: value).secrets)
                } catch {
                    // What is no connection may still be a password.
                    add([value])
                }
            }
        }
    }

    private static func shapes(_ text: String) -> [String] {
        var shapes = [text, Connection.escaped(text)]
        let quoted = JSONValue.string(text).text
        shapes.append(String(quoted.dropFirst().dropLast()))
        let lines = text.split(whereSeparator: \.isNewline)
        if lines.count > 1 { shapes += lines.filter { $0.utf8.count >= shortestLine }.map(String.init) }
        return shapes
    }

    /// Whether it hides nothing yet.
    package var hidesNothing: Bool { isEmpty.load(ordering: .acquiring) }

    /// The text without what must not be shown.
    package func masked(_ text: String) -> String {
        if hidesNothing { return text }
        return state.withLock { state in
            var copy = text
            return copy.withUTF8 { Self.masked($0, state) } ?? text
        }
    }

    /// Nil where nothing is to be hidden.
    private static func masked(_ bytes: UnsafeBufferPointer<UInt8>, _ state: borrowing State) -> String? {
        var result: [UInt8]?
        var position = 0
        while position < bytes.count {
            let candidates = state.byFirst[Int(bytes[position])]
            let hit = candidates.isEmpty ? nil : candidates.first { starts(bytes, at: position, with: $0) }
            guard let hit else {
                result?.append(bytes[position])
                position += 1
                continue
            }
            if result == nil { result = Array(bytes[..<position]) }
            result?.append(contentsOf: stars)
            position += hit.count
        }
        return result.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func starts(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int, with secret: [UInt8]) -> Bool {
        guard bytes.count - position >= secret.count else { return false }
        for offset in secret.indices where bytes[position + offset] != secret[offset] { return false }
        return true
    }
}
