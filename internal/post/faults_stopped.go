package post

import "net/http"

// FaultBatchStopped answers a decision that would send a letter of a stopped batch.
var FaultBatchStopped = fault("POST-6040", http.StatusConflict,
	"The letter's batch was stopped; nothing of it is sent any more.", "Brevets forsendelse er stoppet; der sendes ikke mere af den.",
	"Close a letter that waits for a person or came back; one that no carrier has is cancelled. What is to be sent all the same is submitted anew.",
	"Afslut et brev, der venter på en person eller er kommet retur; et brev, som ingen kanal har, annulleres. Det, der alligevel skal sendes, indsendes på ny.")
