// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import PerchBundle
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchExecutor

@Suite("Bundle processes", .timeLimit(.minutes(2)))
struct BundleProcessTests {
    @Test("a task runs in the bundle process and its output is stored")
    func quick() async throws {
        let engine = try await Engine()
        let definitions = try await engine.executor.start()
        #expect(definitions.contains { $0.dagID == "quick" })
        try await engine.begin("quick")
        let end = try await engine.end(of: "quick")
        #expect(end.state == .success)
        #expect(end.output == "\"done\"")
        try await engine.stop()
    }

    @Test("an executor that is stopped while it starts ends its start, and nothing is left of it")
    func stopInStart() async throws {
        // This one never says hello.
        let engine = try await Engine(launcher: { home in
            ProcessLauncher(home: home, executable: "/bin/sleep", arguments: ["1000"])
        })
        let start = Task { try await engine.executor.start() }
        while await engine.executor.bundleProcesses.isEmpty { await Task.yield() }
        let pids = await engine.executor.bundleProcesses
        await engine.executor.stop()
        await #expect(throws: PerchError.self) { try await start.value }
        for pid in pids { #expect(kill(pid, 0) != 0) }
        #expect(try await engine.store.read { try $0.processes(role: "worker") }.isEmpty)
        #expect(try await engine.store.read { try $0.processes(role: "bundle") }.isEmpty)
        try await engine.stop()
    }

    @Test("what a task prints and logs stands in its attempt's log")
    func talk() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("talk")
        #expect(try await engine.end(of: "talk").state == .success)
        let log = try await engine.log(of: "talk")
        #expect(log.contains("INFO printed by the task\n"))
        #expect(log.contains("INFO logged by the task\n"))
        #expect(log.contains("INFO try 1, dispatch "))
        try await engine.stop()
    }

    @Test("a trap fails its task with the signal, and its backtrace is in the log")
    func trap() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("trap")
        let end = try await engine.end(of: "trap")
        #expect(end.state == .failed)
        #expect(end.message?.contains("died of signal") == true)
        let log = try await engine.log(of: "trap")
        #expect(log.contains("Index out of range"))
        #expect(log.contains("died of signal"))
        try await engine.begin("quick")
        #expect(try await engine.end(of: "quick").state == .success)
        try await engine.stop()
    }

    @Test("a task that exits the process fails with the exit code")
    func exit() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("exit")
        let end = try await engine.end(of: "exit")
        #expect(end.state == .failed)
        #expect(end.message?.contains("exited with code 3") == true)
        try await engine.stop()
    }

    @Test("a task that never returns ends when it is cancelled, and others go on")
    func spin() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("spin")
        try await engine.waitForNotes { $0.contains("began") }
        try await engine.begin("quick")
        #expect(try await engine.end(of: "quick").state == .success)
        // It is named, now and when it has held its thread for six times as long.
        while engine.executor.threadsHeld < 2 { await Task.yield() }
        let log = try await engine.log(of: "spin")
        #expect(log.contains("WARNING has held a thread for 1") && log.contains("isolation: process"), "\(log)")
        _ = try await engine.store.write {
            try $0.cancelTask(
                TaskInstanceKey(dagID: "spin", runID: "r1", taskID: "spin"),
                intent: CancelIntent(finalState: .skipped, reason: "user", by: "test"))
        }
        #expect(try await engine.end(of: "spin").state == .skipped)
        try await engine.begin("quick", runID: "r2")
        #expect(try await engine.end(of: "quick", runID: "r2").state == .success)
        try await engine.stop()
    }

    @Test("a task that runs longer than its execution timeout fails")
    func overdue() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("overdue")
        let end = try await engine.end(of: "overdue")
        #expect(end.state == .failed)
        #expect(end.message?.contains("execution timeout") == true)
        try await engine.stop()
    }

    @Test("a task that allocates without end dies of its memory limit, and the engine goes on")
    func hoard() async throws {
        let engine = try await Engine(conditions: BundleConditions(memoryLimit: 256 << 20))
        try await engine.executor.start()
        try await engine.begin("hoard")
        let end = try await engine.end(of: "hoard")
        #expect(end.state == .failed)
        #expect(end.message?.contains("its bundle process") == true)
        try await engine.begin("quick")
        #expect(try await engine.end(of: "quick").state == .success)
        try await engine.stop()
    }

    @Test("garbage on the socket costs the attempt that was running")
    func garbage() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("garbage")
        let end = try await engine.end(of: "garbage")
        #expect(end.state == .failed)
        #expect(end.message?.contains("broke the protocol") == true)
        try await engine.stop()
    }

    @Test("an output that fits no frame fails the task and nothing else")
    func huge() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("huge")
        let end = try await engine.end(of: "huge")
        #expect(end.state == .failed)
        #expect(end.message?.contains("too large") == true)
        try await engine.stop()
    }

    @Test("ten innocents beside one trap succeed, and the trap alone fails")
    func crowd() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("crowd")
        let rows = try await engine.instances(of: "crowd") { $0.allSatisfy(\.state.isFinished) }
        #expect(rows.count == 11)
        for row in rows {
            #expect(row.state == (row.key.taskID == "guilty" ? .failed : .success), "\(row.key.taskID)")
            #expect(row.tryNumber == 1)
        }
        try await engine.stop()
    }

    @Test("a task sleeps without a process, and its steps are not done again")
    func steps() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("steps")
        try await engine.instances(of: "steps") { $0[0].state == .deferred }
        try await engine.store.write { transaction in
            let waits = try transaction.waits(WaitFilter())
            #expect(waits.count == 1)
            _ = try transaction.fire(
                waits.map { Firing(waitID: $0.waitID, outcome: .event(.null), by: "test") }, lease: nil)
        }
        let end = try await engine.end(of: "steps")
        #expect(end.state == .success)
        #expect(end.output == "42")
        #expect(engine.notes == ["first"])
        // It has said nothing: its journal tells of its sleep.
        #expect(try await engine.log(of: "steps") == "")
        let journal = try await engine.store.read {
            try $0.journal(taskInstanceID: end.taskInstanceID, tryNumber: end.tryNumber)
        }
        let past = try AttemptPast.lines(journal).map(\.message)
        #expect(past.count == 2 && past[0].contains("sleeps for") && past[1].contains("is over"), "\(past)")
        try await engine.stop()
    }

    @Test("a cancelled task runs its onKill")
    func slow() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("slow")
        try await engine.waitForNotes { $0.contains("began") }
        _ = try await engine.store.write {
            try $0.cancelTask(
                TaskInstanceKey(dagID: "slow", runID: "r1", taskID: "slow"),
                intent: CancelIntent(finalState: .failed, reason: "user", by: "test"))
        }
        #expect(try await engine.end(of: "slow").state == .failed)
        #expect(engine.notes == ["began", "cleaned"])
        try await engine.stop()
    }

    @Test("what a shell command has started dies with the bundle process")
    func shellDies() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("shell")
        try await engine.waitForNotes { $0.count == 1 }
        let pids = try #require(engine.notes.first).split(separator: " ").compactMap { Int32($0) }
        #expect(pids.count == 2)
        for pid in pids { #expect(isAlive(pid)) }
        for pid in await engine.executor.bundleProcesses { kill(pid, SIGKILL) }
        #expect(try await engine.end(of: "shell").state == .failed)
        for pid in pids { #expect(!isAlive(pid)) }
        try await engine.stop()
    }

    @Test("a bundle that hears no engine any more ends, with what it has started")
    func hangUp() async throws {
        let launcher = ProcessLauncher(home: "/nowhere", executable: fixture, arguments: [])
        let launched = try launcher.start()
        let process = try #require(launched.process)
        close(launched.socket)
        var entry = pollfd(fd: process.pidDescriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 30_000) == 1)
        var code: Int32 = 0
        var signal: Int32 = 0
        #expect(clinux_reap(process.pid, &code, &signal) == 1)
        #expect(signal == SIGKILL)
        for descriptor in [process.pidDescriptor, process.output, process.error] { close(descriptor) }
    }

    @Test("a bundle that does not come up makes the start fail, with its last words")
    func broken() async throws {
        let engine = try await Engine(
            launcher: { ProcessLauncher(home: $0, executable: fixture, arguments: ["broken"]) }
        ) { $0.startAttempts = 2 }
        await #expect {
            try await engine.executor.start()
        } throws: { error in
            "\(error)".contains("did not come up in 2 attempts") && "\(error)".contains("exited with code 7")
                && "\(error)".contains("told to break")
        }
        try await engine.stop()
    }

    @Test("a starting engine ends the bundle of a dead one and queues again what it held")
    func deadEngine() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        // What an engine that was killed leaves: a bundle under a recorded process, and a task in the hands of a worker.
        let launched = try ProcessLauncher(home: engine.home, executable: fixture, arguments: []).start()
        let process = try #require(launched.process)
        let identity = try #require(ProcessIdentity(of: process.pid))
        try await engine.store.write { transaction in
            _ = try transaction.registerProcess(
                role: "bundle", pid: identity.pid, startTime: identity.startTime, bootID: identity.bootID,
                host: identity.host, lease: .seconds(60))
        }
        await engine.executor.stop()
        let dead = try await engine.store.write {
            try $0.registerProcess(
                role: "worker", pid: 1, startTime: -1, bootID: identity.bootID, host: identity.host, lease: .seconds(60)
            )
        }
        try await engine.begin("quick")
        let claimed = try await engine.store.write { try $0.claim(limit: 10, worker: dead) }
        #expect(claimed.count == 1)

        let next = try Executor(
            metastore: engine.store, launcher: ProcessLauncher(home: engine.home, executable: fixture, arguments: []),
            logs: engine.logs)
        try await next.start()
        #expect(try await engine.end(of: "quick").state == .success)
        var entry = pollfd(fd: process.pidDescriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 0) == 1)
        waitpid(process.pid, nil, 0)
        await next.stop()
        let rows = try await engine.store.read { try $0.processes(role: nil) }
        #expect(rows.isEmpty)
        try await engine.stop()
    }

    @Test("a stopping worker gives back what does not end in time")
    func drain() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        try await engine.begin("spin")
        try await engine.waitForNotes { $0.contains("began") }
        await engine.executor.stop()
        let rows = try await engine.instances(of: "spin") { _ in true }
        #expect(rows[0].state == .queued)
        try await engine.stop()
    }
}

private func isAlive(_ pid: Int32) -> Bool {
    var start: Int64 = 0
    var session: pid_t = 0
    var state: CChar = 0
    guard clinux_process_times(pid, &start, &session, &state) == 0 else { return false }
    return UInt8(bitPattern: state) != UInt8(ascii: "Z")
}
