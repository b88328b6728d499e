// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Dispatch
internal import Glibc
internal import PerchSDK
internal import Synchronization

/// `deferred watch` against a server: there the pictures are drawn, here they are shown and the keys are read.
struct RemoteWatch {
    let server: RemoteServer

    /// Shows what comes until somebody quits, or the server says no more; gives the exit code.
    func run() async throws -> Int32 {
        let end = try await show()
        // Said when the screen has been given back.
        for line in end.said.split(separator: "\n") { Console.shared.say(String(line)) }
        return end.code
    }

    private func show() async throws -> FramePost.End {
        let post = try FramePost()
        let terminal = try Terminal()
        var screen = Screen()
        var place = ScrollPlace()
        var frame: WaitFrame?
        // What was asked for last, and of whom.
        var asked: (size: Screen.Size, offset: Int)?
        var asking: Task<Void, Never>?
        // Whoever holds a key down asks for the next picture when the last one has come.
        var isAnswered = true
        defer { asking?.cancel() }
        while true {
            let size = terminal.size
            if isAnswered, asked?.size != size || asked?.offset != place.offset {
                asking?.cancel()
                isAnswered = false
                asked = (size, place.offset)
                asking = ask(size, place.offset, post.begin(), post)
            }
            await post.wait(orReadable: STDIN_FILENO)
            switch post.take() {
            case .frame(let new):
                frame = new
                // He may have moved on meanwhile.
                if asked?.offset == place.offset { place.offset = new.offset }
                asked?.offset = new.offset
                isAnswered = true
                try Console.shared.raw(screen.show(new.lines, size: size))
                try Console.shared.flush()
            case .end(let result): return try result.get()
            case nil: break
            }
            let seen = frame ?? WaitFrame(lines: [], offset: 0, isFull: false)
            for key in terminal.keys() where !place.move(key, in: seen, size) {
                return FramePost.End(code: EXIT_SUCCESS)
            }
        }
    }

    private func ask(_ size: Screen.Size, _ offset: Int, _ number: Int, _ post: FramePost) -> Task<Void, Never> {
        let arguments = server.arguments + ["--frames", size.argument, "--offset", "\(offset)"]
        return Task {
            do {
                let code = try await server.run(arguments) { try post.put($0, of: number) }
                post.end(.success(code), of: number)
            } catch {
                post.end(.failure(error), of: number)
            }
        }
    }
}

/// Where pictures lie until they are shown: the last one, of what was asked for last.
private final class FramePost: Sendable {
    /// How a command has ended.
    struct End {
        var code: Int32
        /// What it has said on its standard error.
        var said = ""
    }

    enum Letter {
        case frame(WaitFrame)
        case end(Result<End, any Error>)
    }

    private struct State {
        var number = 0
        var letter: Letter?
        /// Of a picture that has not come whole.
        var text = ""
        var said = ""
    }

    private let state = Mutex(State())
    /// Readable when something has come.
    private let bell: Int32

    init() throws {
        bell = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard bell >= 0 else { throw PerchError(.unavailable, "no descriptor: \(String(cString: strerror(errno)))") }
    }

    deinit { close(bell) }

    /// What was asked for before counts no more.
    func begin() -> Int {
        state.withLock { state in
            state = State(number: state.number + 1)
            return state.number
        }
    }

    func put(_ piece: RemoteAnswer.Piece, of number: Int) throws {
        try state.withLock { state in
            guard state.number == number else { return }
            switch piece {
            case .errors(let text): state.said += text
            case .output(let text):
                state.text += text
                let lines = state.text.split(separator: "\n", omittingEmptySubsequences: false)
                state.text = String(lines.last ?? "")
                guard let line = lines.dropLast().last else { return }
                state.letter = .frame(try WaitFrame(parsing: String(line)))
            }
        }
        ring()
    }

    func end(_ result: Result<Int32, any Error>, of number: Int) {
        state.withLock { state in
            guard state.number == number else { return }
            state.letter = .end(result.map { End(code: $0, said: state.said) })
        }
        ring()
    }

    func take() -> Letter? {
        state.withLock { state in
            guard case .frame? = state.letter else { return state.letter }
            defer { state.letter = nil }
            return state.letter
        }
    }

    private func ring() {
        var one: UInt64 = 1
        write(bell, &one, 8)
    }

    /// Returns when something has come or can be read, and after a second at the latest: the screen may have another size.
    func wait(orReadable other: Int32) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                var entries = [self.bell, other].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
                _ = poll(&entries, 2, 1_000)
                var count: UInt64 = 0
                if entries[0].revents != 0 { read(self.bell, &count, 8) }
                continuation.resume()
            }
        }
    }
}
