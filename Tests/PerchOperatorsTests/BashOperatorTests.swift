// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import PerchSDK
import Synchronization
import Testing

@testable import PerchOperators

@Suite("Shell commands", .timeLimit(.minutes(1)))
struct BashOperatorTests {
    private func run(_ bash: BashOperator) async throws -> (output: String, lines: [String]) {
        let runtime = RecordingRuntime()
        let output = try await bash.execute(TaskContext(runtime: runtime))
        return (output, runtime.lines.withLock { $0 })
    }

    @Test("output goes to the log, and its last line is the task's output")
    func output() async throws {
        let (output, lines) = try await run(.bash("echo one; echo two >&2; echo -n three"))
        #expect(output == "three")
        #expect(lines.contains("info one"))
        #expect(lines.contains("warning two"))
        #expect(lines.contains("info three"))
    }

    @Test("templates, variables and the directory reach the command")
    func surroundings() async throws {
        let (output, _) = try await run(
            .bash(
                "echo {{ params.name }} $GREETING $PERCH_TASK_ID $(pwd)", environment: ["GREETING": "on {{ ds }}"],
                workingDirectory: "/"))
        #expect(output == "Ann on 2026-01-01 t /")
    }

    @Test("an exit code fails the try with the code and the last line")
    func failure() async throws {
        await #expect {
            _ = try await run(.bash("echo first; echo the reason >&2; exit 3"))
        } throws: { "\($0)" == "the command exited with code 3: the reason" }
        await #expect { _ = try await run(.bash("kill -9 $$")) } throws: { "\($0)".contains("died of signal 9") }
        await #expect(throws: SkipTask.self) { _ = try await run(.bash("exit 99")) }
        await #expect(throws: PerchError.self) { _ = try await run(.bash("true", workingDirectory: "/nowhere")) }
    }

    @Test("huge and binary output is cut, not collected")
    func huge() async throws {
        let (output, lines) = try await run(
            .bash("head -c 3000000 /dev/zero; echo; head -c 200000 /dev/urandom; echo; echo end"))
        #expect(output == "end")
        let longest = lines.map(\.utf8.count).max() ?? 0
        #expect(longest < 40_000)
        #expect(lines.first?.contains("bytes more") == true)
    }

    @Test("what the command leaves behind ends with it")
    func leftBehind() async throws {
        let (output, _) = try await run(.bash("sleep 3600 & echo $!"))
        let pid = try #require(Int32(output))
        #expect(isGone(pid))
    }

    @Test("a cancelled command ends with its whole group, at the latest after the grace")
    func cancel() async throws {
        for command in ["sleep 3600 & echo $!; wait", "trap '' TERM; (trap '' TERM; sleep 3600) & echo $!; wait"] {
            let (stream, continuation) = AsyncStream.makeStream(of: String.self)
            let runtime = RecordingRuntime { continuation.yield($0) }
            let bash = BashOperator(command, killGrace: .milliseconds(100))
            let task = Task { try await bash.execute(TaskContext(runtime: runtime)) }
            var lines = stream.makeAsyncIterator()
            let line = await lines.next()
            let pid = try #require(line.flatMap { Int32($0) })
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(isGone(pid))
        }
    }

    @Test("what cannot be a command is refused where it is declared")
    func problems() {
        #expect(BashOperator("  ").problems.count == 1)
        #expect(BashOperator("true", environment: ["A=B": "x"]).problems.count == 1)
        #expect(BashOperator("true").problems.isEmpty)
        #expect(HTTPOperator("ftp://x").problems.count == 1)
        #expect(HTTPOperator("http://x", method: "GE T", headers: ["a\n": "b", "c": "d\r\ne"]).problems.count == 3)
    }
}

/// Whether a process has ended, or is as good as that: killed, and its new parent has not looked yet.
func isGone(_ pid: Int32) -> Bool {
    // A kill is delivered before the killed process is gone: the kernel is given a bounded time for that.
    let descriptor = clinux_pidfd_open(pid)
    guard descriptor >= 0 else { return true }
    defer { close(descriptor) }
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 5_000) == 1
}
