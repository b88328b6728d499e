// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Keeps what people are asked, and explains it. It watches nothing: the answer fires the wait.
public final class ApprovalSource: TriggerSource {
    private var waits: [Int64: ApprovalTrigger] = [:]
    private let report: (SourceReport) -> Void

    /// A source that does nothing by itself.
    public init(report: @escaping (SourceReport) -> Void) {
        self.report = report
    }

    public var kinds: [String] { [ApprovalTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        for wait in added {
            do {
                let trigger = try wait.definition.decode(ApprovalTrigger.self)
                if let problem = trigger.problems.first { throw PerchError(.invalid, problem) }
                waits[wait.waitID] = trigger
            } catch {
                report(.broken(waitID: wait.waitID, message: "the approval '\(wait.target.shown())': \(error)"))
            }
        }
    }

    public func remove(_ waitID: Int64) { waits[waitID] = nil }

    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let trigger = waits[waitID] else { return nil }
        var sentences = ["Waits for a person's answer to '\(trigger.question)'."]
        for field in trigger.fields {
            let need =
                field.defaultValue.map { "\($0.text) where nothing is given" }
                ?? (field.isRequired ? "required" : "may be left out")
            sentences.append("The field '\(field.name)' is \(field.wanted), \(need).")
        }
        sentences.append("`approvals answer \(waitID)` with --approve or --reject answers it.")
        return WaitExplanation(sentences: sentences, sharing: 1)
    }

    public var gauges: [(name: String, value: Int)] { [("approval_waits", waits.count)] }

    public func shutDown() { waits = [:] }
}
