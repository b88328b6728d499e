// SPDX-License-Identifier: Apache-2.0

public import PerchReactor
public import PerchSDK

/// Watches all waits for time: one heap of sixteen bytes a wait, one timer of the loop for the earliest.
///
/// Instants are absolute, and the loop looks again when the wall clock jumps: a jump ahead makes what it passes due, a
/// jump back makes waits last until the clock shows their instant.
public final class TimeSource: TriggerSource {
    /// So many fires at most before the loop gets its turn again.
    private static let batch = 4_096

    private let loop: any EventLoop
    private let report: (SourceReport) -> Void
    private var heap = TimerHeap<Int64>()
    private var timer: (instant: Int64, handle: LoopTimer)?
    private var isFiring = false
    /// The windows of those that wait for one: whoever comes too late for his, waits for the next.
    private var windows: [Int64: TimeWindow] = [:]

    /// A source on a loop's thread.
    public init(loop: any EventLoop, report: @escaping (SourceReport) -> Void) {
        self.loop = loop
        self.report = report
    }

    public var kinds: [String] { [TimeTrigger.kind] }

    public func add(_ waits: [ArmedWait]) {
        heap.reserve(waits.count)
        for wait in waits {
            guard let due = wait.due else {
                report(.broken(waitID: wait.waitID, message: "the time wait for \(wait.target) has no instant"))
                continue
            }
            if let window = wait.definition["due"]?["within"] {
                do {
                    windows[wait.waitID] = try TimeWindow(json: window)
                } catch {
                    report(.broken(waitID: wait.waitID, message: error.message))
                    continue
                }
            }
            heap.insert(deadline: due.microseconds, id: wait.waitID)
        }
        arm()
    }

    public func remove(_ waitID: Int64) {
        heap.remove(waitID)
        windows[waitID] = nil
        arm()
    }

    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let due = heap.deadline(of: waitID) else { return nil }
        let distance = due - loop.now
        let sentence =
            distance > 0
            ? "Waits until \(Timestamp(microseconds: due)), for another \(Self.rounded(distance))."
            : "Was due at \(Timestamp(microseconds: due)) and is being fired."
        let count = heap.count
        let window = windows[waitID].map { ["Its window is \($0)."] } ?? []
        return WaitExplanation(
            sentences: window + [sentence, "One timer serves all \(count) time waits here."], sharing: count)
    }

    public var gauges: [(name: String, value: Int)] { [("time_waits", heap.count)] }

    public func shutDown() {
        if let timer { loop.cancel(timer.handle) }
        timer = nil
        heap = TimerHeap()
        windows = [:]
    }

    /// Whole seconds where it is long: nobody counts the milliseconds of three days.
    private static func rounded(_ microseconds: Int64) -> TimeSpan {
        let unit: Int64 = microseconds >= 10_000_000 ? 1_000_000 : 1_000
        return TimeSpan(microseconds: (microseconds + unit - 1) / unit * unit)
    }

    private func arm() {
        guard !isFiring else { return }
        let earliest = heap.earliest
        guard earliest != timer?.instant else { return }
        if let timer { loop.cancel(timer.handle) }
        timer = earliest.map { instant in
            (instant, loop.schedule(at: instant) { [weak self] in self?.fire() })
        }
    }

    private func fire() {
        timer = nil
        isFiring = true
        let now = loop.now
        var fired = 0
        while fired < Self.batch, let (due, waitID) = heap.popDue(now) {
            fired += 1
            if let window = windows.removeValue(forKey: waitID), isTooLate(waitID, for: window, now: now) { continue }
            report(.fired(waitID: waitID, payload: .object(["due_at": .integer(due)])))
        }
        isFiring = false
        // What is left of a burst is in the past, so its timer runs in the next turn.
        arm()
    }

    /// Whether the window of a wait has closed meanwhile: then it is set to the next one.
    private func isTooLate(_ waitID: Int64, for window: TimeWindow, now: Int64) -> Bool {
        do {
            let opening = try window.opening(from: Timestamp(microseconds: now)).microseconds
            guard opening > now else { return false }
            windows[waitID] = window
            heap.insert(deadline: opening, id: waitID)
        } catch {
            report(.broken(waitID: waitID, message: error.message))
        }
        return true
    }
}
