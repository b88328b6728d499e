// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Keeps waits for runs and explains them. It watches nothing: whoever stores the end of a run or task fires the waits for
/// it in the same transaction.
public final class RunSource: TriggerSource {
    private var waits: [Int64: (target: String, aim: RunAim)] = [:]
    private var sharing: [String: Int] = [:]
    private let report: (SourceReport) -> Void

    /// A source that does nothing by itself.
    public init(report: @escaping (SourceReport) -> Void) {
        self.report = report
    }

    public var kinds: [String] { [RunTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        for wait in added {
            do {
                let aim = try RunAim(json: wait.definition)
                remove(wait.waitID)
                waits[wait.waitID] = (wait.target, aim)
                sharing[wait.target, default: 0] += 1
            } catch {
                report(.broken(waitID: wait.waitID, message: "the run wait for \(wait.target): \(error)"))
            }
        }
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID), let count = sharing[wait.target] else { return }
        sharing[wait.target] = count > 1 ? count - 1 : nil
    }

    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        let count = sharing[wait.target] ?? 1
        var sentences = [wait.aim.description]
        if count > 1 { sentences.append("So do \(count - 1) other waits here.") }
        sentences.append("Nothing probes for it: the transaction that stores that end ends the wait.")
        return WaitExplanation(sentences: sentences, sharing: count)
    }

    public var gauges: [(name: String, value: Int)] { [("run_waits", waits.count)] }

    public func shutDown() {
        waits = [:]
        sharing = [:]
    }
}

extension RunAim {
    /// What is waited for, as a sentence.
    var description: String {
        let instance = mapIndex.map { "[\($0)]" } ?? ""
        let what = taskID.map { "the task '\($0)\(instance)' of " } ?? ""
        let run =
            switch selection {
            case .sameDate: "the run of the same logical date"
            case .shifted(let span): "the run whose logical date is \(span) from that of its own run"
            case .date(let text): "the run of the logical date \(text)"
            case .id(let runID): "the run '\(runID)'"
            case .next: "the next run that ends"
            }
        let states = allowed.map(\.rawValue).joined(separator: " or ")
        let failures =
            failing.isEmpty ? "" : "; \(failing.map(\.rawValue).joined(separator: " or ")) fails the wait"
        return "Waits until \(what)\(run) of the DAG '\(dagID)' has ended as \(states)\(failures)."
    }
}
