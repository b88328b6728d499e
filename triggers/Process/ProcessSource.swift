// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
public import PerchReactor
public import PerchSDK

/// Watches all waits for ends of processes: one pidfd a process, shared by its waiters.
public final class ProcessSource: TriggerSource {
    /// Where the kernel gives no descriptor, a process is looked at this often.
    private static let period: Int64 = 1_000_000

    private struct Watch {
        var process: DetachedProcess
        var waiters: [Int64] = []
        var descriptor: Int32 = -1
        var timer: LoopTimer?
        var note: String
    }

    private let loop: any EventLoop
    private let report: (SourceReport) -> Void
    private var watches: [String: Watch] = [:]
    private var targets: [Int64: String] = [:]

    /// A source on a loop's thread.
    public init(loop: any EventLoop, report: @escaping (SourceReport) -> Void) {
        self.loop = loop
        self.report = report
    }

    public var kinds: [String] { [ProcessTrigger.kind] }

    public func add(_ waits: [ArmedWait]) {
        for wait in waits {
            let process: DetachedProcess
            do {
                process = try wait.definition.decode(ProcessTrigger.self).process
            } catch {
                report(
                    .broken(waitID: wait.waitID, message: "the process wait \(wait.target) cannot be read: \(error)"))
                continue
            }
            // The records belong to the target: without them the end of the same process is another one.
            let target = "\(ProcessTrigger(process).target) \(process.records ?? "")"
            targets[wait.waitID] = target
            if watches[target] != nil {
                watches[target]?.waiters.append(wait.waitID)
            } else {
                watches[target] = Watch(process: process, waiters: [wait.waitID], note: "")
                begin(target, process)
            }
        }
    }

    public func remove(_ waitID: Int64) {
        guard let target = targets.removeValue(forKey: waitID) else { return }
        watches[target]?.waiters.removeAll { $0 == waitID }
        if watches[target]?.waiters.isEmpty == true { release(target) }
    }

    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let target = targets[waitID], let watch = watches[target] else { return nil }
        let code =
            watch.process.records.map { "Its exit code will stand in \($0)/end." }
            ?? "Its exit code will stay unknown, for it was not started as a detached process."
        return WaitExplanation(
            sentences: ["Waits for the end of process \(watch.process.pid).", watch.note, code],
            sharing: watch.waiters.count)
    }

    public func probeNow(_ waitID: Int64, done: @escaping () -> Void) {
        if let target = targets[waitID], let process = watches[target]?.process, isHere(process), !process.isRunning {
            end(target)
        }
        done()
    }

    public var gauges: [(name: String, value: Int)] {
        [
            ("process_waits", targets.count),
            ("process_descriptors", watches.values.count { $0.descriptor >= 0 }),
        ]
    }

    public func shutDown() {
        for target in watches.keys.sorted() { release(target) }
        targets = [:]
    }

    private func isHere(_ process: DetachedProcess) -> Bool { process.host == DetachedProcess.thisHost }

    private func begin(_ target: String, _ process: DetachedProcess) {
        guard isHere(process) else {
            watches[target]?.note =
                "It runs on \(process.host), and this triggerer is on another machine, which cannot see it."
            return
        }
        let descriptor = clinux_pidfd_open(process.pid)
        let reason = errno
        // Looked at after the descriptor was opened: what it stands for now, it stands for until it is closed.
        guard process.isRunning else {
            if descriptor >= 0 { close(descriptor) }
            return end(target)
        }
        guard descriptor >= 0 else {
            return look(target, because: "no descriptor: \(String(cString: strerror(reason)))")
        }
        do {
            try loop.watch(descriptor, for: .read) { [weak self] _ in self?.end(target) }
            watches[target]?.descriptor = descriptor
            watches[target]?.note = "The kernel reports its end; nothing is polled."
        } catch {
            close(descriptor)
            look(target, because: "\(error)")
        }
    }

    /// Looks once a period, where the kernel does not report the end.
    private func look(_ target: String, because reason: String) {
        watches[target]?.note = "It is looked at each second, for the kernel gave \(reason)."
        watches[target]?.timer = loop.schedule(at: loop.now + Self.period) { [weak self] in
            guard let self, let process = watches[target]?.process else { return }
            if process.isRunning { look(target, because: reason) } else { end(target) }
        }
    }

    private func end(_ target: String) {
        guard let watch = watches[target] else { return }
        // Whoever saw it end knows when; who comes later does not.
        let seen = watch.descriptor >= 0 ? Timestamp(microseconds: loop.now) : nil
        release(target)
        let end = watch.process.recordedEnd ?? ProcessEnd(endedAt: seen)
        for waitID in watch.waiters {
            targets[waitID] = nil
            do {
                report(.fired(waitID: waitID, payload: try JSONValue(encoding: end)))
            } catch {
                report(.broken(waitID: waitID, message: "the end of a process cannot be coded: \(error)"))
            }
        }
    }

    private func release(_ target: String) {
        guard let watch = watches.removeValue(forKey: target) else { return }
        if let timer = watch.timer { loop.cancel(timer) }
        guard watch.descriptor >= 0 else { return }
        loop.unwatch(watch.descriptor)
        close(watch.descriptor)
    }
}
