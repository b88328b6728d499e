// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Keeps the waits that code of a bundle watches for, and explains them. It watches nothing: the worker that hosts the
/// code fires the wait. Their deadlines are the triggerer's, as everybody's.
package final class AsyncSource: TriggerSource {
    private var waits: Set<Int64> = []

    /// A source that does nothing by itself.
    package init() {}

    package var kinds: [String] { [HostedKind.family] }

    package func add(_ added: [ArmedWait]) { waits.formUnion(added.map(\.waitID)) }

    package func remove(_ waitID: Int64) { waits.remove(waitID) }

    package func explain(_ waitID: Int64) -> WaitExplanation? {
        waits.contains(waitID) ? WaitExplanation(sentences: []) : nil
    }

    package var gauges: [(name: String, value: Int)] { [("hosted_waits", waits.count)] }

    package func shutDown() { waits = [] }
}
