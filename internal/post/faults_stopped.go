package post

import "net/http"

// FaultBatchStopped answers a decision that would send a letter of a stopped batch.
var FaultBatchStopped = fault("POST-6040", http.StatusConflict,
	"The letter's batch was stopped; nothing of it is sent any more.", "Brevets forsendelse er stoppet; der sendes ikke mere af den.",
	"Close the letter; what is to be sent all the same is submitted anew.", "Afslut brevet; det, der alligevel skal sendes, indsendes på ny.")
