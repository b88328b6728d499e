// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Glibc
internal import PerchAPIServer
internal import PerchProcess
internal import PerchSDK
internal import Synchronization

/// A command in its process. Nothing is read of it but what is asked for: it waits with what it prints.
final class RunningCommand: StartedCommand {
    fileprivate struct State {
        /// Nil once it has ended.
        var turn: Turns.Turn?
        var reader: ChildReader
        var output = TextPieces()
        var errors = TextPieces()
        var end: CommandNews?
    }

    private let child: ChildProcess
    /// When it is ended, in microseconds of the machine's time.
    private let limit: Int64
    private let longest: TimeSpan?
    /// Used by the queue's jobs, of which there is one at a time.
    private let state: Mutex<State>
    /// Its jobs block.
    private let queue = DispatchQueue(label: "perch-api-command")
    private let isAbandoned = Atomic(false)

    /// - Parameter longest: How long it may take; nil: it goes on for as long as somebody listens.
    init(_ child: ChildProcess, turn: Turns.Turn, longest: TimeSpan?) {
        self.child = child
        self.longest = longest
        limit = longest.map { ChildReader.monotonic() + $0.microseconds } ?? .max
        state = Mutex(State(turn: turn, reader: ChildReader(child)))
        guard let longest else { return }
        // Also where nobody asks for what it has said.
        DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(Int(longest.microseconds))) { [weak self] in
            guard let self else { return }
            child.end()
            queue.async { self.state.withLock { self.expire(&$0) } }
        }
    }

    deinit { child.closeDescriptors() }

    func next(within span: TimeSpan) async -> CommandNews {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.read(within: span)) }
        }
    }

    func abandon() {
        guard !isAbandoned.exchange(true, ordering: .relaxed) else { return }
        child.end()
        // Somebody has to see it end.
        queue.async {
            while true {
                switch self.read(within: .seconds(60)) {
                case .ended, .failed: return
                case .output, .errors, .silence: continue
                }
            }
        }
    }

    /// Its time is over.
    private func expire(_ state: inout State) {
        guard state.end == nil else { return }
        child.end()
        while true { if case .ended = state.reader.next(until: .max) { break } }
        state.end(as: late)
    }

    private var late: CommandNews {
        .failed("the command took longer than \(longest.map { "\($0)" } ?? "it may"), and was ended")
    }

    private func read(within span: TimeSpan) -> CommandNews {
        state.withLock { state in
            let patience = ChildReader.monotonic() + span.microseconds
            while true {
                if let end = state.end { return state.rest ?? end }
                switch state.reader.next(until: min(patience, limit)) {
                case .output(let bytes):
                    let text = state.output.take(bytes)
                    if !text.isEmpty { return .output(text) }
                case .error(let bytes):
                    let text = state.errors.take(bytes)
                    if !text.isEmpty { return .errors(text) }
                case .silence:
                    guard limit <= ChildReader.monotonic() else { return .silence }
                    expire(&state)
                case .ended(.code(let code)): state.end(as: .ended(exitCode: Int(code)))
                // Whose time is over may have been ended for that just now.
                case .ended where limit <= ChildReader.monotonic(): state.end(as: late)
                case .ended(let status): state.end(as: .failed("the command's process \(status)"))
                }
            }
        }
    }
}

extension RunningCommand.State {
    fileprivate mutating func end(as news: CommandNews) {
        end = news
        turn = nil
    }

    /// What was never a whole character.
    fileprivate var rest: CommandNews? {
        mutating get {
            let written = output.end()
            if !written.isEmpty { return .output(written) }
            let said = errors.end()
            return said.isEmpty ? nil : .errors(said)
        }
    }
}

/// Bytes that come in pieces, as text: a character that two of them share comes with the second.
struct TextPieces {
    private var held: [UInt8] = []

    mutating func take(_ bytes: [UInt8]) -> String {
        let all = held + bytes
        // A character has four bytes at most: where it begins is among the last three.
        var whole = all.count
        for distance in 1...3 where distance <= all.count {
            let byte = all[all.count - distance]
            guard byte & 0xC0 != 0x80 else { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            if length > distance { whole = all.count - distance }
            break
        }
        held = Array(all[whole...])
        return String(decoding: all[..<whole], as: UTF8.self)
    }

    /// What is left, and will not become whole.
    mutating func end() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }
}
